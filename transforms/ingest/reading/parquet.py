"""Reads Parquet files row group by row group."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import InputError
from transforms.ingest.dead_letters.refusals import MAX_TEXT
from transforms.ingest.reading.raw import RawBatch
from transforms.ingest.rows.arrays import Ints
from transforms.storage import locate

BATCH_ROWS = 1 << 17


def open_parquet(path: str) -> pq.ParquetFile:
    """Opens a Parquet file.

    Raises:
        InputError: if it is no Parquet file.
    """
    file_system, inner = locate(path)
    try:
        return pq.ParquetFile(inner, filesystem=file_system)
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
    """
    with open_parquet(path) as file:
        before = sum(file.metadata.row_group(i).num_rows for i in range(row_group))
        names = [name for name in file.schema_arrow.names if name in wanted]
        for batch in file.iter_batches(batch_rows, row_groups=[row_group], columns=names):
            rows = np.arange(before + 1, before + 1 + batch.num_rows)
            before += batch.num_rows
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            yield RawBatch(columns, rows, functools.partial(_write_rows, batch))


def _write_rows(batch: pa.RecordBatch, places: Ints) -> list[str]:
    rows = batch.take(pa.array(places)).to_pylist()
    return [json.dumps(row, default=_write_value, ensure_ascii=False)[:MAX_TEXT] for row in rows]


def _write_value(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
