"""Fetches some rows of a log file whole, as text."""

import csv
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from transforms.ingest.reading.csv_blocks import read_lines
from transforms.ingest.reading.dialect import Dialect
from transforms.ingest.reading.parquet import open_parquet, with_broken_text_as_bytes, write_times
from transforms.ingest.rows.arrays import Ints


class Fetched(NamedTuple):
    """Rows of a file, as lines of CSV without their breaks.

    Attributes:
        header: the names of the columns.
        lines: 1-based line (CSV) or row (Parquet) -> the row.
    """

    header: bytes
    lines: dict[int, bytes]


def fetch_rows(path: str, wanted: Ints, separator: str) -> Fetched:
    """Fetches rows of a Parquet or CSV file.

    Args:
        path: the file.
        wanted: the numbers of the rows.
        separator: goes between the words of a list.
    """
    if path.lower().endswith(".parquet"):
        return _fetch_parquet(path, wanted, separator)
    return _fetch_csv(path, wanted)


def _fetch_csv(path: str, wanted: Ints) -> Fetched:
    header, found = b"", {}
    for lines in read_lines(path, Dialect()):
        if not header:
            header = lines.every[0].as_py().rstrip(b"\r\n")
        for place in np.flatnonzero(np.isin(lines.starts, wanted)):
            found[int(lines.starts[place])] = lines.every[int(place)].as_py().rstrip(b"\r\n")
    return Fetched(header, found)


def _fetch_parquet(path: str, wanted: Ints, separator: str) -> Fetched:
    found: dict[int, bytes] = {}
    with open_parquet(path) as file:
        header = _lines([file.schema_arrow.names])[0]
        first = 1
        for group in range(file.metadata.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            rows = wanted[(wanted >= first) & (wanted < first + size)]
            if len(rows):
                table = file.read_row_group(group).take(pa.array(rows - first))
                (batch,) = table.combine_chunks().to_batches()
                found |= dict(zip(rows.tolist(), _write(batch, separator), strict=True))
            first += size
    return Fetched(header, found)


def _write(batch: pa.RecordBatch, separator: str) -> list[bytes]:
    """Rows as lines of CSV."""
    batch = write_times(with_broken_text_as_bytes(batch))
    columns = [_as_text(column, separator) for column in batch.columns]
    return _lines(zip(*columns, strict=True))


def _as_text(column: pa.Array, separator: str) -> list[str]:
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_list(column.type) or types.is_large_list(column.type):
        return [separator.join(map(_word, words or [])) for words in column.to_pylist()]
    if not (types.is_binary(column.type) or types.is_large_binary(column.type)):
        column = pc.cast(column, pa.string())
    return [_word(value) for value in column.to_pylist()]


def _word(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _lines(rows: Iterable[Iterable[str]]) -> list[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="")
    lines = []
    for row in rows:
        writer.writerow(row)
        lines.append(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    return lines
