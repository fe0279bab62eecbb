"""What features of several kinds have in common."""

from typing import Literal

from pydantic import Field

from transforms.section import Name, Section

Owner = Literal["user", "item", "context"]
NumberTransform = Literal["identity", "log1p", "z_score", "log_z_score", "logit_z_score", "buckets"]
Pooling = Literal["mean", "attention"]


class FeatureBase(Section):
    """What every feature says of itself.

    Attributes:
        of: whose property it is. `user` and `context` values are sent once a ranking
            request, `item` values once a candidate.
        min_presence: share of impressions in [0, 1] that must have a value; fewer is an
            anomaly and stops the run.
    """

    of: Owner
    min_presence: float = Field(0.0, ge=0.0, le=1.0)


class ColumnFeature(FeatureBase):
    """A feature that a column of the impressions holds.

    Attributes:
        column: the column; by default the feature's name.
    """

    column: Name | None = None


class NumberFeature(FeatureBase):
    """A number. A missing or NaN value becomes the mean (0 after z-scoring) or bucket 0.

    Attributes:
        transform: `identity` x; `log1p` sign(x) log(1 + |x|); `z_score` (x - mean) / std;
            `log_z_score` the z-score of the log; `logit_z_score` the z-score of a rate's
            logit log(x / (1 - x)), x cut to [0.0001, 0.9999]; `buckets` quantile buckets,
            embedded.
        num_buckets: how many quantile buckets (`buckets` only).
        embedding_dim: width of a bucket's embedding; by default `model.embedding_dim`.
        missing_indicator: adds an input that is 1 where the value is missing.
    """

    transform: NumberTransform = "z_score"
    num_buckets: int = Field(16, ge=2, le=1024)
    embedding_dim: int | None = Field(None, ge=1, le=1024)
    missing_indicator: bool = False

    @property
    def is_embedded(self) -> bool:
        """Whether the model sees an id (a bucket) in place of the number."""
        return self.transform == "buckets"

    @property
    def list_length(self) -> None:
        """A number is no list."""
        return None

    @property
    def words_of(self) -> None:
        """The feature whose embedding it has: its own, if any."""
        return None
