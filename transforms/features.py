"""What the columns of an impression mean to the model: the `features` section of the YAML."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transforms.section import Name, Section

Owner = Literal["user", "item", "context"]


class FeatureBase(Section):
    """What every feature says of itself.

    Attributes:
        of: whose property it is. `user` and `context` values are sent once a ranking
            request, `item` values once a candidate.
        column: the column of the impressions that holds it; by default the feature's name.
        min_presence: share of impressions in [0, 1] that must have a value; fewer is an
            anomaly and stops the run.
    """

    of: Owner
    column: Name | None = None
    min_presence: float = Field(0.0, ge=0.0, le=1.0)


class NumericFeature(FeatureBase):
    """A number. A missing or NaN value becomes the mean (0 after z-scoring) or bucket 0.

    Attributes:
        transform: `identity` x; `log1p` sign(x) log(1 + |x|); `z_score` (x - mean) / std;
            `log_z_score` the z-score of the log; `buckets` quantile buckets, embedded.
        num_buckets: how many quantile buckets (`buckets` only).
        embedding_dim: width of a bucket's embedding; by default `model.embedding_dim`.
        missing_indicator: adds an input that is 1 where the value is missing.
    """

    kind: Literal["numeric"]
    transform: Literal["identity", "log1p", "z_score", "log_z_score", "buckets"] = "z_score"
    num_buckets: int = Field(16, ge=2, le=1024)
    embedding_dim: int | None = Field(None, ge=1, le=1024)
    missing_indicator: bool = False

    @property
    def is_embedded(self) -> bool:
        """Whether the model sees an id (a bucket) in place of the number."""
        return self.transform == "buckets"


class CategoricalFeature(FeatureBase):
    """A word or a set of words, mapped to ids through a vocabulary or a hash.

    Id 0 means missing, ids from 1 are the words by falling frequency, the last
    `num_oov_buckets` ids are for words that the vocabulary has not.

    Attributes:
        vocabulary_size: keeps so many of the most frequent words (the default way).
        min_count: drops words seen fewer times than this in training.
        num_oov_buckets: ids shared by unknown words, at least 1.
        hash_buckets: hashes words to so many ids; no vocabulary is learned.
        multivalued: the value is a list of words (Parquet) or split at `separator` (CSV).
        max_values: how many words of a list are read; the rest is ignored.
        embedding_dim: width of the embedding; by default `model.embedding_dim`.
        dropout: share of training examples that see id 0 in place of the word, so that
            the model does not lean on ids that it will not meet again.
    """

    kind: Literal["categorical"]
    vocabulary_size: int | None = Field(None, ge=1, le=100_000_000)
    min_count: int = Field(1, ge=1)
    num_oov_buckets: int = Field(1, ge=1, le=1_000_000)
    hash_buckets: int | None = Field(None, ge=2, le=100_000_000)
    multivalued: bool = False
    max_values: int = Field(8, ge=1, le=1024)
    separator: str = Field("|", min_length=1, max_length=8)
    embedding_dim: int | None = Field(None, ge=1, le=1024)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _one_way_to_ids(self) -> "CategoricalFeature":
        if self.vocabulary_size is not None and self.hash_buckets is not None:
            raise ValueError(
                "`vocabulary_size` and `hash_buckets` exclude each other. Received: "
                f"vocabulary_size={self.vocabulary_size}, hash_buckets={self.hash_buckets}"
            )
        return self

    @property
    def is_embedded(self) -> bool:
        """A word is always embedded."""
        return True


Feature = Annotated[NumericFeature | CategoricalFeature, Field(discriminator="kind")]
Features = Annotated[dict[Name, Feature], Field(min_length=1, max_length=2000)]


def column_of(name: str, feature: Feature) -> str:
    """The impressions' column that holds the feature.

    Example:
        >>> column_of("age", NumericFeature(of="user", kind="numeric", column="user_age"))
        'user_age'
    """
    return feature.column or name
