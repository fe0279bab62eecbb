"""Which columns ingestion reads from impressions and feedback, and as what."""

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from transforms.config import DataConfig
from transforms.errors import ConfigError
from transforms.examples import (
    ITEM_ID,
    POSITION,
    REQUEST_ID,
    TIMESTAMP,
    USER_ID,
    label_name,
    weight_name,
)
from transforms.features import CategoricalFeature, ColumnFeature, Feature, column_of
from transforms.ingest.casts import Cast, flags
from transforms.ingest.number_casts import NumberCast, PositionCast, ValueCast
from transforms.ingest.reasons import Reason
from transforms.ingest.rows import RawBatch, Refusal, Refusals
from transforms.ingest.text_casts import IsInCast, KeyCast, WordCast, WordsCast
from transforms.ingest.time_cast import TimeCast, Unit

EVENT = "event"
VALUE = "value"
SOURCE = "source"
ROW = "row"


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


def feature_column(name: str) -> str:
    """The column of the checked rows that holds a feature."""
    return f"feature_{name}"


def key_column(column: str) -> str:
    """The column of the checked rows that holds a column of a history's key."""
    return column if column in (USER_ID, ITEM_ID) else f"key_{column}"


def mask_column(task: str) -> str:
    """The column of the checked rows that says whether a task's label exists."""
    return f"mask_{task}"


def event_column(event: str) -> str:
    """The column of the checked rows that holds an event's value, in logs of one table."""
    return f"event_{event}"


def impression_fields(config: DataConfig, unit: Unit, events: Iterable[str]) -> Fields:
    """The fields of an impression.

    Args:
        config: names features and masks.
        unit: of plain timestamps.
        events: columns that hold feedback in the same row.

    Raises:
        ConfigError: if a feature's name is taken by something else in an example.
    """
    fields = [
        Field(REQUEST_ID, REQUEST_ID, KeyCast(), required=True),
        Field(USER_ID, USER_ID, KeyCast(), required=True),
        Field(ITEM_ID, ITEM_ID, KeyCast(), required=True),
        Field(TIMESTAMP, TIMESTAMP, TimeCast(unit), required=True),
        Field(POSITION, POSITION, PositionCast()),
    ]
    for name, feature in config.features.items():
        _check_name(name, feature, config)
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


def feedback_fields(unit: Unit) -> Fields:
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


def check_rows(
    batch: RawBatch, fields: Fields, source: int, config: DataConfig
) -> tuple[pa.RecordBatch, list[Refusal]]:
    """Casts the columns of a batch and parts good rows from refused ones.

    Returns:
        The good rows, with `source` (the file's number) and `row`, and the refused ones.
    """
    refusals = Refusals(len(batch.rows))
    columns = {
        field.name: field.cast.cast(field.column, batch.column(field.column), refusals)
        for field in fields
    }
    if EVENT in columns:
        _refuse_negative(columns[EVENT], columns[VALUE], log_events(config), refusals)
    columns[SOURCE] = pa.repeat(pa.scalar(source, pa.int32()), len(batch.rows))
    columns[ROW] = pa.array(batch.rows, pa.int64())
    rows = pa.record_batch(columns)
    if refusals.flags.any():
        rows = rows.filter(pa.array(~refusals.flags))
    return rows, [*batch.refused, *refusals.of(batch)]


def _refuse_negative(
    events: pa.Array, values: pa.Array, logged: tuple[str, ...], refusals: Refusals
) -> None:
    is_logged = pc.is_in(events, value_set=pa.array(logged, pa.string()))
    bad = flags(pc.and_(is_logged, pc.less(values, 0.0)))
    rule = f"`{VALUE}` must be at least 0, for its label is a logarithm"
    refusals.refuse(bad, Reason.NEGATIVE_VALUE, rule, values)


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


def _feature_cast(feature: Feature) -> Cast:
    if not isinstance(feature, CategoricalFeature):
        return NumberCast()
    return WordsCast(feature.separator) if feature.multivalued else WordCast()


def _check_name(name: str, feature: Feature, config: DataConfig) -> None:
    labels = {make(task) for task in config.tasks for make in (label_name, weight_name)}
    keys = {REQUEST_ID, USER_ID, ITEM_ID, TIMESTAMP, POSITION}
    held = column_of(name, feature) if isinstance(feature, ColumnFeature) else None
    is_key = name in keys and held != name
    if is_key or name in labels:
        raise ConfigError(
            f"features.{name}: the name is taken in an example by "
            f"{'a key' if is_key else 'a label or a weight'}; give the feature another name"
        )
    if name in (USER_ID, ITEM_ID) and not isinstance(feature, CategoricalFeature):
        raise ConfigError(f"features.{name}: an id must be categorical. Received: kind=numeric")
