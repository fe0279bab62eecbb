"""Rows as they stand in a file, and the rows that were refused on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.ingest.reasons import Reason

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAX_TEXT = 1000
_MAX_DETAIL = 300

DEAD_LETTERS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
"""kind: impressions | feedback; source: relative path; row: 1-based line (CSV) or row."""


class Refusal(NamedTuple):
    """One refused row: where it stands, the rule it broke, and its first 1,000 characters."""

    row: int
    reason: Reason
    detail: str
    text: str


@dataclass(frozen=True)
class RawBatch:
    """Rows of one file, not yet checked.

    Attributes:
        columns: name -> values, all of one length [n]; text where the file is CSV.
        rows: 1-based line (CSV) or row (Parquet) of each, int64 [n].
        text: gives the text of some of the rows, by their places in [0, n).
        refused: rows of this part of the file that could not be read into columns.
    """

    columns: dict[str, pa.Array]
    rows: Ints
    text: Callable[[Ints], list[str]]
    refused: tuple[Refusal, ...] = ()

    def column(self, name: str) -> pa.Array:
        """The column, or nothing but nulls where the file has no such column."""
        found = self.columns.get(name)
        return pa.nulls(len(self.rows), pa.string()) if found is None else found


class Refusals:
    """Collects the refused rows of a batch; the first rule that a row breaks is its reason.

    Args:
        size: n, how many rows the batch has.
    """

    def __init__(self, size: int) -> None:
        self.flags: Flags = np.zeros(size, dtype=bool)
        self._found: dict[int, tuple[Reason, str]] = {}

    def refuse(self, bad: Flags, reason: Reason, rule: str, values: Any) -> None:
        """Refuses the rows whose flag is set.

        Args:
            bad: [n].
            reason: the code.
            rule: what should have held, such as "`age` must be a number".
            values: what was received, [n]; read at the bad rows only.
        """
        for place in np.flatnonzero(bad & ~self.flags):
            value = values[place]
            received = value.as_py() if isinstance(value, pa.Scalar) else value
            detail = f"{rule}. Received: {str(received)[:_MAX_DETAIL]!r}"
            self._found[int(place)] = (reason, detail[:_MAX_DETAIL])
        self.flags |= bad

    def of(self, batch: RawBatch) -> list[Refusal]:
        """The refused rows of the batch, with their text."""
        places = np.array(sorted(self._found), dtype=np.int64)
        if not len(places):
            return []
        return [
            Refusal(int(batch.rows[place]), *self._found[int(place)], text)
            for place, text in zip(places, batch.text(places), strict=True)
        ]


def make_dead_letters(kind: str, source: str, refused: Sequence[Refusal]) -> pa.RecordBatch:
    """Turns refused rows of one file into a batch of dead letters."""
    columns = [
        [kind] * len(refused),
        [source] * len(refused),
        [refusal.row for refusal in refused],
        [refusal.reason.value for refusal in refused],
        [refusal.detail for refusal in refused],
        [refusal.text[:MAX_TEXT] for refusal in refused],
    ]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, DEAD_LETTERS, strict=True)]
    return pa.record_batch(arrays, schema=DEAD_LETTERS)


def join_batches(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Puts batches of one schema one after the other; without any, a batch without rows."""
    if len(batches) == 1:
        return batches[0]
    empty = [pa.array([], field.type) for field in schema]
    columns = zip(empty, *(batch.columns for batch in batches), strict=True)
    return pa.record_batch([pa.concat_arrays(parts) for parts in columns], schema=schema)
