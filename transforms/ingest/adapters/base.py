"""What an adapter is: the meeting point of a data set's files and the canonical logs."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, Protocol

from transforms.errors import InputError
from transforms.ingest.reading.dialect import Dialect
from transforms.ingest.reading.raw import RawBatch
from transforms.logs import TimeUnit

Role = Literal["impressions", "feedback"]
Convert = Callable[[RawBatch], RawBatch]


class LogFile(NamedTuple):
    """One file of rows.

    Attributes:
        role: what a row is; a row of `impressions` may hold its feedback as columns.
        relative: path under the logs' folder, with forward slashes.
        path: where it can be opened.
        dialect: how its text is written; None for Parquet.
        is_borrowed: whether it is feedback of another span, of which only what names an
            impression of this one counts.
    """

    role: Role
    relative: str
    path: str
    dialect: Dialect | None
    is_borrowed: bool = False


class Adapter(Protocol):
    """Knows the files of one kind of logs. It is a value: it is sent to the workers.

    Attributes:
        logs: the files to read, at least one of impressions.
        unit: of plain timestamps.
        events: columns of an impression's row that are feedback: a value that is neither
            missing nor 0 is an event of that name at the impression's time.
    """

    @property
    def logs(self) -> tuple[LogFile, ...]: ...

    @property
    def unit(self) -> TimeUnit: ...

    @property
    def events(self) -> tuple[str, ...]: ...

    def offers(self, path: str, columns: frozenset[str]) -> frozenset[str]:
        """The canonical columns that can be made of a file of impressions.

        Raises:
            InputError: if the file lacks a column without which there is no impression.
        """
        ...

    def reads(self, wanted: frozenset[str]) -> frozenset[str]:
        """The columns of the impressions' files from which the wanted ones are made."""
        ...

    def open(self, wanted: frozenset[str]) -> Convert:
        """Gets ready, once a worker, to turn rows of the files into canonical impressions."""
        ...


def require(path: str, columns: Iterable[str], needed: Iterable[str]) -> None:
    """Refuses a file that lacks a column.

    Raises:
        InputError: naming the file, the column and the columns there are.
    """
    there = sorted(columns)
    for name in needed:
        if name not in there:
            raise InputError(f"{path}: must have the column `{name}`. Columns there are {there}")
