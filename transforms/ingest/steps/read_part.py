"""From one piece of a log file to checked impressions and feedback."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import InputError
from transforms.examples import ITEM_ID, REQUEST_ID, TIMESTAMP
from transforms.ingest.adapters.base import Convert
from transforms.ingest.casting.check import check_rows
from transforms.ingest.dead_letters.refusals import Refusal
from transforms.ingest.plan import IngestPlan, Part
from transforms.ingest.reading.csv_blocks import read_csv_file
from transforms.ingest.reading.parquet import read_row_group
from transforms.ingest.reading.raw import RawBatch
from transforms.ingest.rows.arrays import join_batches
from transforms.ingest.rows.columns import EVENT, ROW, SOURCE, VALUE, event_column

_FEEDBACK = (REQUEST_ID, ITEM_ID, EVENT, VALUE, TIMESTAMP, SOURCE, ROW)


class Checked(NamedTuple):
    """Checked rows of a part of a file.

    Attributes:
        impressions: the good ones; None in a file of feedback.
        feedback: the good ones; None if there are none.
        refused: the rest, of the file's role.
        rows: how many rows of the file these are.
        declared: the events for which the rows have a column.
    """

    impressions: pa.RecordBatch | None
    feedback: pa.RecordBatch | None
    refused: list[Refusal]
    rows: int
    declared: tuple[str, ...] = ()


def read_part(plan: IngestPlan, part: Part, convert: Convert) -> Iterator[Checked]:
    """Reads and checks a piece of the logs.

    Args:
        plan: of the whole ingestion.
        part: the piece.
        convert: from the plan's adapter.

    Raises:
        InputError: if the file is broken, such as a truncated gzip.
    """
    role = plan.files[part.source].log.role
    for batch in _read_raw(plan, part):
        size = len(batch.rows) + sum(refusal.rows for refusal in batch.refused)
        if role == "feedback":
            feedback, refused = check_rows(batch, plan.fields[role], part.source, plan.config)
            yield Checked(None, feedback, refused, size)
        else:
            batch = convert(batch)
            rows, refused = check_rows(batch, plan.fields[role], part.source, plan.config)
            impressions, feedback = _split_events(rows, plan.adapter.events)
            declared = tuple(e for e in plan.adapter.events if e in batch.columns)
            yield Checked(impressions, feedback, refused, size, declared)


def _read_raw(plan: IngestPlan, part: Part) -> Iterator[RawBatch]:
    log = plan.files[part.source].log
    wanted = plan.wanted(log.role)
    if log.role == "impressions":
        wanted = plan.adapter.reads(wanted)
    try:
        if log.dialect is not None:
            yield from read_csv_file(log.path, log.dialect, wanted)
        else:
            yield from read_row_group(log.path, part.row_group or 0, wanted)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{log.path}: cannot be read: {str(error)[:200]}") from error


def _split_events(
    rows: pa.RecordBatch, events: tuple[str, ...]
) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
    """Splits rows that hold feedback as columns into impressions and feedback."""
    parts = [_events_of(rows, event) for event in events]
    impressions = rows.drop_columns([event_column(event) for event in events])
    return impressions, join_batches(parts, parts[0].schema) if parts else None


def _events_of(rows: pa.RecordBatch, event: str) -> pa.RecordBatch:
    values = pc.cast(rows.column(event_column(event)), pa.float64())
    places = pa.array(np.flatnonzero(pc.fill_null(values, 0.0).to_numpy()))
    picked = rows.select([REQUEST_ID, ITEM_ID, TIMESTAMP, SOURCE, ROW]).take(places)
    columns = {name: picked.column(name) for name in picked.schema.names}
    columns[EVENT] = pa.repeat(pa.scalar(event), len(places))
    columns[VALUE] = values.take(places)
    return pa.record_batch([columns[name] for name in _FEEDBACK], names=list(_FEEDBACK))
