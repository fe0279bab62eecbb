"""What the columns of an impression mean to the model: the `features` section of the YAML."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transforms.examples import ITEM_ID
from transforms.section import Name, Section

Owner = Literal["user", "item", "context"]
NumberTransform = Literal["identity", "log1p", "z_score", "log_z_score", "logit_z_score", "buckets"]
Statistic = Literal["mean", "count", "hours_since"]


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
    def words_of(self) -> None:
        """The feature whose embedding it has: its own, if any."""
        return None


class NumericFeature(ColumnFeature, NumberFeature):
    """A number that the impressions hold."""

    kind: Literal["numeric"]


class HistoryFeature(NumberFeature):
    """A number that ingestion makes of the earlier impressions of a key: see `ingest.history`.

    It says what was known strictly before the impression, so nothing of its future and
    nothing of its own request enters. Absent where there is no history, or a column of the
    key is missing.

    Attributes:
        by: the key: one column of the impressions or several, such as `user_id`, `item_id`
            or `[user_id, tab]`.
        statistic: `mean` of the task's labels (transformed), smoothed with the mean over
            all impressions; `count` of the key's impressions; `hours_since` the last one.
        task: whose labels (`mean` only).
        smoothing: k, as so many impressions the mean over all counts (`mean` only).
    """

    kind: Literal["history"]
    by: Name | Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)]
    statistic: Statistic
    task: Name | None = None
    smoothing: float = Field(10.0, ge=0.0, le=1e9)

    @model_validator(mode="after")
    def _fits_statistic(self) -> "HistoryFeature":
        if (self.statistic == "mean") != (self.task is not None):
            rule = "needs" if self.statistic == "mean" else "takes no"
            raise ValueError(
                f"`statistic: {self.statistic}` {rule} `task`. Received: task={self.task!r}"
            )
        if len(set(self.key)) < len(self.key):
            raise ValueError(f"`by` must name a column once. Received: by={list(self.key)}")
        if ITEM_ID in self.key and self.of != "item":
            raise ValueError(f"the history of an item is `of: item`. Received: of={self.of}")
        return self

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the key."""
        return (self.by,) if isinstance(self.by, str) else self.by


class MultiHash(Section):
    """Several small tables in place of a large one, for features with very many words.

    Each id looks up one row of each table, chosen by a hash of its own. Two ids share all
    rows only if all hashes collide: one pair in rows^hashes.

    Attributes:
        hashes: how many tables.
        rows: of each.
        combine: `sum` of the rows, or `concat`, which is as many times as wide.
    """

    hashes: int = Field(2, ge=1, le=8)
    rows: int = Field(ge=2, le=100_000_000)
    combine: Literal["sum", "concat"] = "sum"


class CategoricalFeature(ColumnFeature):
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
        is_in: the only words there are; an impression with another one is a dead letter.
        embedding_dim: width of the embedding; by default `model.embedding_dim`.
        dropout: share of training examples that see id 0 in place of the word, so that
            the model does not lean on ids that it will not meet again.
        multi_hash: embeds ids by several small tables.
        shares: another feature, whose vocabulary and embedding are this one's too: a list of
            items, where the other is the item.
        pooling: how a list becomes one vector: the `mean` of its words, or by `attention`,
            which asks each word how much it has to do with the candidate's `shares`.
    """

    kind: Literal["categorical"]
    vocabulary_size: int | None = Field(None, ge=1, le=100_000_000)
    min_count: int = Field(1, ge=1)
    num_oov_buckets: int = Field(1, ge=1, le=1_000_000)
    hash_buckets: int | None = Field(None, ge=2, le=100_000_000)
    multivalued: bool = False
    max_values: int = Field(8, ge=1, le=1024)
    separator: str = Field("|", min_length=1, max_length=8)
    is_in: tuple[str, ...] = ()
    embedding_dim: int | None = Field(None, ge=1, le=1024)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    multi_hash: MultiHash | None = None
    shares: Name | None = None
    pooling: Literal["mean", "attention"] = "mean"

    @model_validator(mode="after")
    def _one_way_to_ids(self) -> "CategoricalFeature":
        if self.vocabulary_size is not None and self.hash_buckets is not None:
            raise ValueError(
                "`vocabulary_size` and `hash_buckets` exclude each other. Received: "
                f"vocabulary_size={self.vocabulary_size}, hash_buckets={self.hash_buckets}"
            )
        return self

    @model_validator(mode="after")
    def _shared_is_not_said_twice(self) -> "CategoricalFeature":
        if self.shares is None:
            return self
        of_words = ("vocabulary_size", "min_count", "num_oov_buckets", "hash_buckets")
        fields, names = type(self).model_fields, (*of_words, "embedding_dim", "multi_hash")
        both = [name for name in names if getattr(self, name) != fields[name].default]
        if both:
            raise ValueError(
                "what `shares` another feature's vocabulary and embedding has none of its own. "
                f"Received: {', '.join(both)}"
            )
        return self

    @property
    def is_embedded(self) -> bool:
        """A word is always embedded."""
        return True

    @property
    def has_vocabulary(self) -> bool:
        """Whether a vocabulary is learned of its words."""
        return self.words_of is None and self.hash_buckets is None

    @property
    def words_of(self) -> str | None:
        """The feature whose vocabulary and embedding it has; None for its own."""
        return self.shares


Feature = Annotated[
    NumericFeature | HistoryFeature | CategoricalFeature, Field(discriminator="kind")
]

Features = Annotated[dict[Name, Feature], Field(min_length=1, max_length=2000)]


def column_of(name: str, feature: ColumnFeature) -> str:
    """The impressions' column that holds the feature.

    Example:
        >>> column_of("age", NumericFeature(of="user", kind="numeric", column="user_age"))
        'user_age'
    """
    return feature.column or name
