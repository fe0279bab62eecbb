"""What monitoring leaves: a folder a day, complete when it has its `monitor.json`."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from pipeline.monitoring.figures import MonitorFigures
from transforms.errors import InputError
from transforms.folders import locked, make_folder
from transforms.ingest.dead_letters.files import DEAD_LETTERS
from transforms.small_files import read_small_file
from transforms.storage import write_whole

FIGURES_FILE = "monitor.json"
PAGE_FILE = "monitor.html"
METRICS_FILE = "metrics.prom"
STATISTICS_FILE = "statistics.pb"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_BYTES = 64 << 20


class DayFolder:
    """The folder of a day.

    Args:
        path: of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def ingested(self) -> Path:
        """What ingestion writes: counts and dead letters stay, examples do not."""
        return self.path / "ingested"

    @property
    def statistics(self) -> Path:
        """TFDV's statistics of what was served."""
        return self.path / STATISTICS_FILE

    @property
    def page(self) -> Path:
        """The page for people."""
        return self.path / PAGE_FILE

    @property
    def is_complete(self) -> bool:
        """Whether the day was watched to the end."""
        return (self.path / FIGURES_FILE).is_file()

    def figures(self) -> MonitorFigures:
        """What was found.

        Raises:
            InputError: if the file holds something else.
        """
        path = self.path / FIGURES_FILE
        try:
            return MonitorFigures.model_validate_json(read_small_file(path, _MAX_BYTES))
        except ValidationError as error:
            raise InputError(f"{path}: must be of `gaterank monitor`: {error}") from None

    def begin(self) -> None:
        """Makes the folder; what an earlier look at the day has left counts no more.

        Raises:
            InputError: if it cannot be made.
            DiskFullError: if there is no room.
        """
        make_folder(self.path)
        with suppress(FileNotFoundError):
            (self.path / FIGURES_FILE).unlink()

    def drop_examples(self) -> None:
        """Leaves of what was ingested counts and dead letters: a copy of the logs serves nobody."""
        for path in self.ingested.iterdir():
            if path.name != DEAD_LETTERS:
                shutil.rmtree(path)

    def end(self, figures: MonitorFigures, page: str, metrics: bytes) -> None:
        """Writes what was found; from then on the day is complete.

        Raises:
            DiskFullError: if there is no room.
        """
        documents = {
            PAGE_FILE: page.encode(),
            METRICS_FILE: metrics,
            FIGURES_FILE: figures.model_dump_json(indent=1).encode(),
        }
        for name, content in documents.items():
            with write_whole(str(self.path / name)) as stream:
                stream.write(content)


class MonitorStore:
    """The days of a ranker.

    Args:
        folder: made on first use.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process out.

        Raises:
            InputError: if another process holds the store, or it cannot be made.
            DiskFullError: if there is no room for it.
        """
        with locked(self.folder, "store of monitored days"):
            yield

    def day(self, date: str) -> DayFolder:
        """The folder of a day, such as 2026-01-05."""
        return DayFolder(self.folder / date)

    def before(self, date: str) -> list[tuple[str, DayFolder]]:
        """The complete days before a day, the oldest first."""
        return [(name, self.day(name)) for name in self._complete() if name < date]

    def _complete(self) -> list[str]:
        names = (path.name for path in self.folder.iterdir() if _DAY.fullmatch(path.name))
        return sorted(name for name in names if self.day(name).is_complete)

    def show(self, date: str, metrics: bytes) -> None:
        """Puts metrics where a collector looks for them, unless a later day's are there."""
        if all(name <= date for name in self._complete()):
            with write_whole(str(self.folder / METRICS_FILE)) as stream:
                stream.write(metrics)
