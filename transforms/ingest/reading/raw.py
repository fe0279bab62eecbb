"""Rows as they stand in a file."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from transforms.ingest.dead_letters.refusals import Refusal
from transforms.ingest.rows.arrays import Ints


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
