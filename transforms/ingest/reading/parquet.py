"""Reads Parquet files row group by row group."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from transforms.errors import InputError
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import MAX_DETAIL, MAX_TEXT, Refusal
from transforms.ingest.reading.raw import RawBatch
from transforms.ingest.rows.arrays import Ints
from transforms.storage import locate

BATCH_ROWS = 1 << 17


def open_parquet(path: str) -> pq.ParquetFile:
    """Opens a Parquet file; pages that have checksums are held against them.

    Raises:
        InputError: if it is no Parquet file.
    """
    file_system, inner = locate(path)
    try:
        return pq.ParquetFile(inner, filesystem=file_system, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: must be a Parquet file: {str(error)[:200]}") from None


def read_row_group(
    path: str, row_group: int, wanted: frozenset[str], batch_rows: int = BATCH_ROWS
) -> Iterator[RawBatch]:
    """Reads one row group of a Parquet file.

    Args:
        path: the file.
        row_group: from 0.
        wanted: the columns to keep.
        batch_rows: how many rows are held at a time.

    Yields:
        A batch each so many rows; a rest that cannot be read is in the last one's `refused`.
    """
    with open_parquet(path) as file:
        done = sum(file.metadata.row_group(i).num_rows for i in range(row_group))
        end = done + file.metadata.row_group(row_group).num_rows
        names = [name for name in file.schema_arrow.names if name in wanted]
        try:
            for batch in file.iter_batches(batch_rows, row_groups=[row_group], columns=names):
                batch = with_broken_text_as_bytes(batch)
                rows = np.arange(done + 1, done + 1 + batch.num_rows)
                done += batch.num_rows
                columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                yield RawBatch(columns, rows, functools.partial(_write_rows, batch))
        except (pa.ArrowException, OSError) as error:
            yield _unreadable(done + 1, end - done, error)


def _unreadable(first: int, rows: int, error: Exception) -> RawBatch:
    detail = f"cannot be read from row {first} on, {rows} rows: {error}"[:MAX_DETAIL]
    refused = Refusal(first, Reason.UNREADABLE_ROW_GROUP, detail, "", rows)
    return RawBatch({}, np.array([], np.int64), lambda _: [], (refused,))


def with_broken_text_as_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Holds text against what Parquet promises of it, and Arrow believes: that it is UTF-8."""
    for place, column in enumerate(batch.columns):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            if types.is_dictionary(column.type):
                column = column.dictionary_decode()
            column = column.cast(_bytes_type(column.type))
            column.validate(full=True)
            batch = batch.set_column(place, batch.schema.names[place], column)
    return batch


def _bytes_type(type_: pa.DataType) -> pa.DataType:
    if types.is_list(type_) or types.is_large_list(type_):
        return pa.list_(_bytes_type(type_.value_type))
    return pa.binary() if types.is_string(type_) else pa.large_binary()


def _write_rows(batch: pa.RecordBatch, places: Ints) -> list[str]:
    rows = write_times(batch.take(pa.array(places))).to_pylist()
    return [json.dumps(row, default=_write_value, ensure_ascii=False)[:MAX_TEXT] for row in rows]


def write_times(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Turns dates and times into ISO-8601 text; Python has no word for those of far ages."""
    for place, column in enumerate(batch.columns):
        if types.is_timestamp(column.type) and column.type.tz is not None:
            column = column.cast(pa.timestamp(column.type.unit, "UTC"))
        if types.is_temporal(column.type):
            batch = batch.set_column(place, batch.schema.names[place], column.cast(pa.string()))
    return batch


def _write_value(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
