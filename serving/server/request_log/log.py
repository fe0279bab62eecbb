"""The log of rankings: offered by the threads that answer, written by one of its own."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import pyarrow as pa

from serving.server.request_log.files import LogFiles, utc_now
from serving.server.request_log.options import RequestLogOptions
from serving.server.request_log.rows import Ranking, to_table
from transforms.errors import GaterankError
from transforms.spans.days import DAY, date_of

_logger = logging.getLogger(__name__)


@dataclass
class LogCounts:
    """What became of the requests.

    Attributes:
        written: requests whose rows are in a file.
        dropped: requests that found too many waiting.
        failed: requests whose file could not be written.
        removed: files that made room for newer ones.
    """

    written: int = 0
    dropped: int = 0
    failed: int = 0
    removed: int = 0


class _Key(NamedTuple):
    """What the rows of a file have in common."""

    model: str
    day: date
    schema: pa.Schema


@dataclass
class _Open:
    """Rows of one model that are no file yet."""

    since: float
    tables: list[pa.Table] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(table.num_rows for table in self.tables)


class RequestLog:
    """Writes down a sample of what is ranked; no request waits for it.

    A version that reads other features begins a file of its own, and so does a day, in UTC: by
    day the log is trained on and watched. `stop` writes what is left.

    Args:
        options: how much, and where.
        draw: gives numbers in [0, 1), for the sample.
        clock: seconds, for the age of files.

    Attributes:
        counts: what became of the requests.
    """

    def __init__(
        self,
        options: RequestLogOptions,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._draw, self._clock = options, draw, clock
        self._files = LogFiles(options.folder, options.max_bytes)
        self._waiting: queue.Queue[Ranking | None] = queue.Queue(options.max_waiting)
        self._open: dict[_Key, _Open] = {}
        self.counts = LogCounts()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def wants(self) -> bool:
        """Whether the next request is in the sample."""
        return self._options.sample == 1.0 or self._draw() < self._options.sample

    def offer(self, ranking: Ranking) -> None:
        """Leaves a request to be written, unless too many wait already."""
        try:
            self._waiting.put_nowait(ranking)
        except queue.Full:
            self.counts.dropped += 1

    def stop(self) -> None:
        """Writes what is left."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                ranking = self._waiting.get(timeout=self._options.file_seconds / 4)
            except queue.Empty:
                self._end_old()
                continue
            if ranking is None:
                break
            self._add(ranking)
            self._end_old()
        self._end_old(all_files=True)

    def _add(self, ranking: Ranking) -> None:
        table = to_table(ranking, self._options.top)
        day = date_of(ranking.milliseconds // DAY)
        key = _Key(ranking.model, day, table.schema)
        part = self._open.setdefault(key, _Open(self._clock()))
        part.tables.append(table)
        if part.rows >= self._options.file_rows:
            self._end(key)

    def _end_old(self, all_files: bool = False) -> None:
        now = self._clock()
        for key, part in list(self._open.items()):
            if all_files or now - part.since >= self._options.file_seconds:
                self._end(key)

    def _end(self, key: _Key) -> None:
        part = self._open.pop(key)
        try:
            rows = pa.concat_tables(part.tables)
            removed = self._files.write(key.model, key.day, rows, utc_now())
        except GaterankError as error:
            # Requests must be answered although the disk is full.
            self.counts.failed += len(part.tables)
            _logger.error("%d requests are not written down: %s", len(part.tables), error)
        else:
            self.counts.written += len(part.tables)
            self.counts.removed += removed
