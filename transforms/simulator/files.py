"""Writes simulated rows as log files: Parquet, or gzipped CSV with broken lines on request."""

import gzip
import io
from collections import defaultdict
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from transforms.examples import ITEM_ID, POSITION, REQUEST_ID, TIMESTAMP, USER_ID
from transforms.simulator.columns import COLUMNS, TAG_SEPARATOR, Array, to_arrow
from transforms.simulator.feedback import EVENTS, ROW
from transforms.simulator.requests import Impressions
from transforms.simulator.world import DAY_MS

FileFormat = Literal["parquet", "csv"]

_SUFFIX = {"parquet": ".parquet", "csv": ".csv.gz"}
_GZIP_LEVEL = 3


def impressions_table(impressions: Impressions) -> pa.Table:
    """The canonical impressions table."""
    return pa.table(
        {
            REQUEST_ID: _ids("r", impressions.request, 10),
            USER_ID: _ids("u", impressions.user, 7),
            ITEM_ID: _ids("i", impressions.item, 6),
            TIMESTAMP: _timestamps(impressions.timestamp),
            POSITION: pa.array(impressions.columns[POSITION], type=pa.int64()),
            **{name: to_arrow(name, impressions.columns[name]) for name in COLUMNS},
        }
    )


def feedback_table(rows: Array) -> pa.Table:
    """The canonical feedback table of a structured array of `feedback.ROW`."""
    return pa.table(
        {
            REQUEST_ID: _ids("r", rows["request"], 10),
            ITEM_ID: _ids("i", rows["item"], 6),
            "event": pa.array(EVENTS).take(pa.array(rows["event"])),
            "value": pa.array(rows["value"]),
            TIMESTAMP: _timestamps(rows["timestamp"]),
        }
    )


class LogWriter:
    """Writes the parts of both tables into dated folders.

    Feedback may come days after its impression. Rows of a later day are carried until
    the parts of that day are written.

    Args:
        folder: gets `impressions/` and `feedback/`.
        file_format: `parquet` or `csv`.
        broken: how many broken lines to add, as a share of the rows (CSV only).
    """

    def __init__(self, folder: Path, file_format: FileFormat, broken: float) -> None:
        self._folder = folder
        self._file_format = file_format
        self._broken = broken
        self._carried: dict[int, list[Array]] = defaultdict(list)

    def write_impressions(
        self, rng: np.random.Generator, day: int, part: int, impressions: Impressions, rows: Array
    ) -> int:
        """Writes one part.

        Args:
            rng: which lines to break.
            day: since the epoch.
            part: number in the day.
            impressions: of that day.
            rows: which of them to write, in order; some twice.

        Returns:
            The number of broken lines.
        """
        table = impressions_table(impressions).take(pa.array(rows))
        return self._write(rng, table, "impressions", day, part)

    def write_feedback(self, rng: np.random.Generator, day: int, part: int, rows: Array) -> int:
        """Writes rows of `day` and what was carried for it; carries those of later days.

        Args:
            rng: which lines to break.
            day: since the epoch; no row is of an earlier day.
            part: number in the day.
            rows: structured array of `feedback.ROW`.

        Returns:
            The number of broken lines.
        """
        row_day = rows["timestamp"] // DAY_MS
        for later in np.unique(row_day[row_day > day]):
            self._carried[int(later)].append(rows[row_day == later])
        rows = np.concatenate([*self._carried.pop(day, []), rows[row_day == day]])
        rows = rows[np.argsort(rows["timestamp"], kind="stable")]
        return self._write(rng, feedback_table(rows), "feedback", day, part)

    def write_carried(self, rng: np.random.Generator) -> int:
        """Writes the rows of the days after the last impression; returns as above."""
        nothing = np.empty(0, ROW)
        return sum(self.write_feedback(rng, day, 0, nothing) for day in sorted(self._carried))

    def _write(
        self, rng: np.random.Generator, table: pa.Table, name: str, day: int, part: int
    ) -> int:
        date = str(np.datetime64(day, "D"))
        path = self._folder / name / date / f"part-{part:05d}{_SUFFIX[self._file_format]}"
        path.parent.mkdir(exist_ok=True)
        if self._file_format == "parquet":
            pq.write_table(table, path, compression="zstd")
            return 0
        lines, broken = _add_broken_lines(_to_csv(table), rng, self._broken)
        # No name and no time in the header: the same seed gives the same bytes.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as file:
            file.write(lines)
        return broken


def _ids(prefix: str, numbers: Array, digits: int) -> pa.Array:
    text = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def _timestamps(milliseconds: Array) -> pa.Array:
    return pa.array(milliseconds, type=pa.int64()).cast(pa.timestamp("ms", tz="UTC"))


def _to_csv(table: pa.Table) -> bytes:
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            text = pc.binary_join(table[field.name], TAG_SEPARATOR)
            table = table.set_column(index, field.name, text)
        elif pa.types.is_timestamp(field.type):
            # Without a zone, formatting needs no time zone database on the machine.
            naive = table[field.name].cast(pa.timestamp("ms"))
            text = pc.strftime(naive, format="%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(index, field.name, text)
    buffer = io.BytesIO((",".join(table.column_names) + "\n").encode())
    buffer.seek(0, io.SEEK_END)
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    pa_csv.write_csv(table, buffer, options)
    return buffer.getvalue()


def _add_broken_lines(text: bytes, rng: np.random.Generator, share: float) -> tuple[bytes, int]:
    """Inserts broken copies of random lines, each in one of the ways of `_break`."""
    if share == 0.0:
        return text, 0
    header, *lines = text.splitlines()
    chosen = rng.choice(len(lines), round(share * len(lines)), replace=False)
    broken = [_break(lines[index], header, way) for way, index in enumerate(chosen)]
    kept = [(index, 0, line) for index, line in enumerate(lines)]
    added = [(int(index), 1, line) for index, line in zip(chosen, broken, strict=True)]
    ordered = (line for _, _, line in sorted(kept + added))
    return b"\n".join([header, *ordered, b""]), len(broken)


def _break(line: bytes, header: bytes, way: int) -> bytes:
    fields, names = line.split(b","), header.decode().split(",")
    match way % 5:
        case 0:
            return b",".join(fields[:-2])
        case 1:
            return b",".join([*fields, b"surplus"])
        case 2:
            fields[names.index(TIMESTAMP)] = b"yesterday"
        case 3:
            fields[names.index(REQUEST_ID)] = b""
        case 4:
            fields[names.index(ITEM_ID)] = b"\xff\xfe"
    return b",".join(fields)
