"""Casts the columns of a batch and parts good rows from refused ones."""

import pyarrow as pa
import pyarrow.compute as pc

from transforms.config import DataConfig
from transforms.ingest.casting.fields import Fields, log_events
from transforms.ingest.casting.words import refuse_unknown
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import Refusal, Refusals
from transforms.ingest.reading.raw import RawBatch
from transforms.ingest.rows.arrays import to_flags
from transforms.ingest.rows.columns import EVENT, ROW, SOURCE, VALUE


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
        known = config.logs.events
        rule = f"`{EVENT}` must be one of {len(known)} in `logs.events`"
        refuse_unknown(columns[EVENT], known, Reason.UNKNOWN_EVENT, rule, refusals)
        _refuse_negative(columns[EVENT], columns[VALUE], log_events(config), refusals)
    columns[SOURCE] = pa.repeat(pa.scalar(source, pa.int32()), len(batch.rows))
    columns[ROW] = pa.array(batch.rows, pa.int64())
    rows = pa.record_batch(columns)
    if refusals.flags.any():
        rows = rows.filter(pa.array(~refusals.flags))
    return rows, [*batch.refused, *refusals.listed(batch.rows, batch.text)]


def _refuse_negative(
    events: pa.Array, values: pa.Array, logged: tuple[str, ...], refusals: Refusals
) -> None:
    is_logged = pc.is_in(events, value_set=pa.array(logged, pa.string()))
    bad = to_flags(pc.and_(is_logged, pc.less(values, 0.0)))
    rule = f"`{VALUE}` must be at least 0, for its label is a logarithm"
    refusals.refuse(bad, Reason.NEGATIVE_VALUE, rule, values)
