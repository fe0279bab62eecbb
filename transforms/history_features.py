"""Features that ingestion makes of a key's earlier impressions."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from transforms.examples import ITEM_ID
from transforms.feature_base import FeatureBase, NumberFeature, Pooling
from transforms.section import Duration, Name, format_duration

Statistic = Literal["mean", "count", "hours_since", "age"]

WINDOW_STEPS = 24
"""A window goes on in steps of such a part of it."""

MAX_SEQUENCE = 1024
_MIN_WINDOW = timedelta(seconds=1)


class KeyedFeature(FeatureBase):
    """What ingestion makes of the earlier impressions of a key: see `ingest.history`.

    It says what was known strictly before the impression, so nothing of its future and
    nothing of its own request enters. Absent where there is no history, or a column of the
    key is missing.

    Attributes:
        by: the key: one column of the impressions or several, such as `user_id`, `item_id`
            or `[user_id, tab]`.
        task: whose labels count.
    """

    by: Name | Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)]
    task: Name | None = None

    @model_validator(mode="after")
    def _fits_key(self) -> "KeyedFeature":
        if len(set(self.key)) < len(self.key):
            raise ValueError(f"`by` must name a column once. Received: by={list(self.key)}")
        if ITEM_ID in self.key and self.of != "item":
            raise ValueError(f"the history of an item is `of: item`. Received: of={self.of}")
        return self

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the key."""
        return (self.by,) if isinstance(self.by, str) else self.by


class HistoryFeature(KeyedFeature, NumberFeature):
    """A number of a key's earlier impressions.

    Attributes:
        statistic: `mean` of the task's labels (transformed), smoothed with the mean over
            all impressions; `count` of the key's impressions; `hours_since` the last one;
            `age`, the hours since the first one.
        window: looks back so far only (`mean` and `count`), in steps of a 24th of it; by
            default to the beginning.
        smoothing: k, as so many impressions the mean over all counts (`mean` only).
    """

    kind: Literal["history"]
    statistic: Statistic
    window: Duration | None = None
    smoothing: float = Field(10.0, ge=0.0, le=1e9)

    @model_validator(mode="after")
    def _fits_statistic(self) -> "HistoryFeature":
        if (self.statistic == "mean") != (self.task is not None):
            rule = "needs" if self.statistic == "mean" else "takes no"
            raise ValueError(
                f"`statistic: {self.statistic}` {rule} `task`. Received: task={self.task!r}"
            )
        if self.window is None:
            return self
        if self.statistic not in ("mean", "count"):
            raise ValueError(
                f"`statistic: {self.statistic}` takes no `window`. "
                f"Received: window={format_duration(self.window)}"
            )
        if self.window < _MIN_WINDOW:
            raise ValueError(
                f"`window` must be at least 1s. Received: {format_duration(self.window)}"
            )
        return self

    @property
    def step(self) -> int | None:
        """The window's step, milliseconds."""
        if self.window is None:
            return None
        return self.window // timedelta(milliseconds=WINDOW_STEPS)


class SequenceFeature(KeyedFeature):
    """The last words of a key's earlier impressions, the latest first.

    Several sequences by the same key and task are aligned: their words in a place are of the
    same impression, empty where it has none. The model sees them as ids, by the vocabulary
    and the embedding of the feature they are words of.

    Attributes:
        column: whose words: a categorical feature of one word.
        task: only impressions whose label is positive, known by now; by default all.
        length: how many impressions at most.
        pooling: how it becomes one vector: the `mean` of its words, or by `attention`, which
            asks each word how much it has to do with the candidate's `column`.
    """

    kind: Literal["sequence"]
    column: Name
    length: int = Field(50, ge=1, le=MAX_SEQUENCE)
    pooling: Pooling = "mean"

    @property
    def is_embedded(self) -> bool:
        """A word is always embedded."""
        return True

    @property
    def list_length(self) -> int:
        """How many words the model reads."""
        return self.length

    @property
    def words_of(self) -> str:
        """The feature whose vocabulary and embedding it has."""
        return self.column

    @property
    def embedding_dim(self) -> None:
        """It has no table of its own, and so no width."""
        return None
