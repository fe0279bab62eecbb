"""Our own logs: impressions and feedback, as Parquet or CSV, in any dated folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from transforms.errors import InputError
from transforms.examples import KEYS
from transforms.ingest.adapters.base import Convert, LogFile, Role, require
from transforms.ingest.reading.dialect import Dialect
from transforms.ingest.reading.raw import RawBatch
from transforms.logs import TimeUnit

_ROLES: tuple[Role, ...] = ("impressions", "feedback")
_CSV = (".csv", ".csv.gz", ".csv.zst")


@dataclass(frozen=True)
class CanonicalLogs:
    """Reads impressions and feedback as they are.

    A file belongs to `impressions` or `feedback` by the last part of its path that begins
    with that word: `impressions/2026-01-02/part-00000.parquet`, `2026-01-02/feedback.csv.gz`.
    """

    logs: tuple[LogFile, ...]
    unit: TimeUnit
    events: tuple[str, ...] = ()

    @classmethod
    def find(cls, folder: str, files: Mapping[str, str], unit: TimeUnit) -> "CanonicalLogs":
        """Picks the logs among the files of a folder.

        Args:
            folder: for messages.
            files: relative path -> path.
            unit: of plain timestamps.

        Raises:
            InputError: if no file holds impressions.
        """
        logs = as_logs(files)
        if not any(log.role == "impressions" for log in logs):
            raise InputError(
                f"{folder}: there must be a file or a folder whose name begins with "
                "`impressions`, with .parquet, .csv, .csv.gz or .csv.zst files. "
                f"Received: {len(files)} files {list(files)[:5]}"
            )
        return cls(logs, unit)

    def offers(self, path: str, columns: frozenset[str]) -> frozenset[str]:
        require(path, columns, KEYS)
        return columns

    def reads(self, wanted: frozenset[str]) -> frozenset[str]:
        return wanted

    def open(self, wanted: frozenset[str]) -> Convert:
        return _same


def _same(batch: RawBatch) -> RawBatch:
    return batch


def as_logs(files: Mapping[str, str]) -> tuple[LogFile, ...]:
    """The logs among some files: relative path -> path."""
    found = (_as_log(relative, path) for relative, path in files.items())
    return tuple(log for log in found if log is not None)


def _as_log(relative: str, path: str) -> LogFile | None:
    lower = relative.lower()
    is_parquet = lower.endswith(".parquet")
    if not is_parquet and not lower.endswith(_CSV):
        return None
    for part in reversed(PurePosixPath(lower).parts):
        for role in _ROLES:
            if part.startswith(role):
                return LogFile(role, relative, path, None if is_parquet else Dialect())
    return None
