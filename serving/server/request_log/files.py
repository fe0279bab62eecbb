"""The log's files: each appears whole, and the oldest go when there are too many bytes."""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.folders import make_folder
from transforms.storage import write_whole

_PATTERN = "*/impressions/*/*.parquet"


class LogFiles:
    """The folder of a log.

    Args:
        folder: of all models.
        max_bytes: of all files.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._count = 0

    def write(self, model: str, day: date, rows: pa.Table, now: datetime) -> int:
        """Writes a file, and removes the oldest if the log has become too large.

        Args:
            model: the rows are of its requests.
            day: of all rows, which the file stands under.
            rows: impressions.
            now: the time that the file is named after.

        Returns:
            How many files were removed.

        Raises:
            InputError: if the file cannot be written.
            DiskFullError: if there is no room.
        """
        self._count += 1
        folder = self._folder / _folder_name(model) / "impressions" / day.isoformat()
        make_folder(folder)
        # Servers that share a folder, and a server that was started again, are told apart.
        path = folder / f"{now:%Y%m%dT%H%M%S%f}-{os.getpid()}-{self._count}.parquet"
        with write_whole(str(path)) as stream:
            pq.write_table(rows, stream, compression="zstd")
        return self._remove_oldest()

    def _remove_oldest(self) -> int:
        files = [(path.parent.name, path.name, path) for path in self._folder.glob(_PATTERN)]
        sizes = {path: path.stat().st_size for *_, path in files}
        left, removed = sum(sizes.values()), 0
        for *_, path in sorted(files)[:-1]:
            if left <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            left, removed = left - sizes[path], removed + 1
        return removed


def _folder_name(model: str) -> str:
    """A model may be called anything, also `..`."""
    name = quote(model, safe=" ")
    return name.replace(".", "%2E", 1) if name.startswith(".") else name


def utc_now() -> datetime:
    """The time that files are named after."""
    return datetime.now(UTC)
