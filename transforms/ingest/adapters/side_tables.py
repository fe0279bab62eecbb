"""Small tables of users and items beside the logs, and the join with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import InputError
from transforms.ingest.adapters.base import require
from transforms.ingest.reading.csv_blocks import read_csv_file
from transforms.ingest.reading.csv_header import read_header
from transforms.ingest.reading.dialect import Dialect
from transforms.ingest.reading.raw import RawBatch


@dataclass(frozen=True)
class SideTable:
    """Rows of a small table, found by their id.

    Attributes:
        ids: text [n].
        columns: name -> text [n].
    """

    ids: pa.Array
    columns: dict[str, pa.Array]

    def look_up(self, ids: pa.Array) -> dict[str, pa.Array]:
        """The columns for each id [m], null where the table has not the id."""
        places = pc.index_in(ids, value_set=self.ids)
        return {name: column.take(places) for name, column in self.columns.items()}


def side_columns(paths: Iterable[str], dialect: Dialect) -> frozenset[str]:
    """The columns of tables that are read together."""
    return frozenset(name for path in paths for name in read_header(path, dialect))


def read_side_table(
    paths: Sequence[str], dialect: Dialect, key: str, wanted: Iterable[str]
) -> SideTable:
    """Reads the wanted columns of a table that one or several files hold.

    Where an id stands twice, its first row counts.

    Raises:
        InputError: if there is no column of ids, or a row is broken.
    """
    names = sorted({key, *wanted})
    for path in paths:
        require(path, read_header(path, dialect), [key])
    parts = [
        pa.table([batch.column(name) for name in names], names)
        for path in paths
        for batch in read_whole(path, dialect, names)
    ]
    empty = pa.table([pa.array([], pa.string())] * len(names), names)
    table = pa.concat_tables([empty, *parts])
    columns = {name: pa.concat_arrays(table.column(name).chunks) for name in names}
    return SideTable(columns.pop(key), columns)


def read_whole(path: str, dialect: Dialect, names: Iterable[str]) -> list[RawBatch]:
    """Reads columns of a file that must not have a broken row.

    Raises:
        InputError: naming file, line and rule.
    """
    batches = []
    for batch in read_csv_file(path, dialect, frozenset(names)):
        if batch.refused:
            first = batch.refused[0]
            raise InputError(f"{path}, line {first.row}: {first.detail}")
        batches.append(batch)
    return batches
