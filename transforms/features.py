"""What the columns of an impression mean to the model: the `features` section of the YAML."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transforms.feature_base import ColumnFeature, NumberFeature, Pooling
from transforms.history_features import HistoryFeature, KeyedFeature, SequenceFeature
from transforms.section import Name, Section

__all__ = [
    "CategoricalFeature",
    "ColumnFeature",
    "Feature",
    "Features",
    "HistoryFeature",
    "KeyedFeature",
    "MultiHash",
    "NumberFeature",
    "NumericFeature",
    "SequenceFeature",
    "column_of",
]


class NumericFeature(ColumnFeature, NumberFeature):
    """A number that the impressions hold."""

    kind: Literal["numeric"]


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
    pooling: Pooling = "mean"

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

    @property
    def list_length(self) -> int | None:
        """How many words the model reads; None for one that is no list."""
        return self.max_values if self.multivalued else None


Feature = Annotated[
    NumericFeature | HistoryFeature | SequenceFeature | CategoricalFeature,
    Field(discriminator="kind"),
]

Features = Annotated[dict[Name, Feature], Field(min_length=1, max_length=2000)]


def column_of(name: str, feature: ColumnFeature) -> str:
    """The impressions' column that holds the feature.

    Example:
        >>> column_of("age", NumericFeature(of="user", kind="numeric", column="user_age"))
        'user_age'
    """
    return feature.column or name
