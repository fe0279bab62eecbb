"""Which columns ingestion reads from impressions and feedback, and as what."""

from collections.abc import Iterable
from typing import NamedTuple

from transforms.config import DataConfig
from transforms.examples import (
    ITEM_ID,
    POSITION,
    REQUEST_ID,
    TIMESTAMP,
    USER_ID,
)
from transforms.features import CategoricalFeature, NumericFeature, column_of
from transforms.ingest.casting.base import Cast
from transforms.ingest.casting.numbers import NumberCast, PositionCast, ValueCast
from transforms.ingest.casting.times import TimeCast
from transforms.ingest.casting.words import IsInCast, KeyCast, WordCast, WordsCast
from transforms.ingest.rows.columns import (
    EVENT,
    VALUE,
    event_column,
    feature_column,
    key_column,
    mask_column,
)
from transforms.logs import TimeUnit


class Field(NamedTuple):
    """One column of the checked rows.

    Attributes:
        name: in the checked rows.
        column: in the logs.
        cast: how the values are read.
        use: who needs it, for messages, such as `features.age`; empty for a key.
        required: whether every file must have the column.
    """

    name: str
    column: str
    cast: Cast
    use: str = ""
    required: bool = False


Fields = tuple[Field, ...]


def impression_fields(
    config: DataConfig,
    unit: TimeUnit,
    events: Iterable[str],
    span: tuple[int, int] | None = None,
) -> Fields:
    """The fields of an impression.

    Args:
        config: names features and masks.
        unit: of plain timestamps.
        events: columns that hold feedback in the same row.
        span: the first millisecond of the span and the first after it, if there is one.
    """
    fields = [
        Field(REQUEST_ID, REQUEST_ID, KeyCast(), required=True),
        Field(USER_ID, USER_ID, KeyCast(), required=True),
        Field(ITEM_ID, ITEM_ID, KeyCast(), required=True),
        Field(TIMESTAMP, TIMESTAMP, TimeCast(unit, span), required=True),
        Field(POSITION, POSITION, PositionCast()),
    ]
    for name, feature in config.column_features.items():
        cast, column = _feature_cast(feature), column_of(name, feature)
        fields.append(Field(feature_column(name), column, cast, f"features.{name}"))
    fields += _key_fields(config)
    for name, task in config.tasks.items():
        if task.mask and task.mask.column:
            cast, column = IsInCast(task.mask.is_in), task.mask.column
            fields.append(Field(mask_column(name), column, cast, f"tasks.{name}.mask"))
    for event in events:
        cast = NumberCast(minimum=0.0 if event in log_events(config) else None)
        fields.append(Field(event_column(event), event, cast))
    return tuple(fields)


def feedback_fields(unit: TimeUnit) -> Fields:
    """The fields of a feedback row."""
    return (
        Field(REQUEST_ID, REQUEST_ID, KeyCast(), required=True),
        Field(ITEM_ID, ITEM_ID, KeyCast(), required=True),
        Field(EVENT, EVENT, KeyCast(), required=True),
        Field(VALUE, VALUE, ValueCast()),
        Field(TIMESTAMP, TIMESTAMP, TimeCast(unit), required=True),
    )


def log_events(config: DataConfig) -> tuple[str, ...]:
    """The events with a label that is a logarithm: log(1 + x) needs x >= 0 here."""
    labels = (task.label for task in config.tasks.values())
    return tuple(sorted({label.event for label in labels if label.transform == "log1p"}))


def _key_fields(config: DataConfig) -> list[Field]:
    """The columns by which histories are kept, each once, without those that are keys."""
    users: dict[str, str] = {}
    for name, feature in config.history_features.items():
        for column in feature.key:
            users.setdefault(column, f"features.{name}")
    return [
        Field(key_column(column), column, WordCast(), use)
        for column, use in users.items()
        if column not in (USER_ID, ITEM_ID)
    ]


def _feature_cast(feature: NumericFeature | CategoricalFeature) -> Cast:
    if not isinstance(feature, CategoricalFeature):
        return NumberCast()
    if feature.multivalued:
        return WordsCast(feature.separator, feature.is_in)
    return WordCast(feature.is_in)
