"""The folders of ingested spans: `<date>/v<version>`, each with what ingestion writes.

A version never changes once it is there; `span.json` in it says what it was made of.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from transforms.errors import InputError
from transforms.folders import locked
from transforms.ingest.counting.counts import COUNTS_FILE, IngestCounts, read_counts
from transforms.ingest.dead_letters.files import DEAD_LETTERS
from transforms.ingest.history.state import HISTORY_FILE
from transforms.listing import list_folders
from transforms.section import Section
from transforms.spans.days import date_of, parse_span
from transforms.storage import in_full, is_file, is_uri, read_whole

SPAN_FILE = "span.json"
_MAX_BYTES = 64 << 20
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_VERSION = re.compile(r"v([1-9]\d{0,8})")

Fingerprint = dict[str, tuple[int, int]]
"""Relative path -> size and time of change, nanoseconds."""


class SpanRecord(Section):
    """The whole of `span.json`: what a version of a span was made of.

    Attributes:
        span: its number.
        version: of the folder, from 1.
        input_version: of the files; 0 where they have none.
        recipe: digest of the config and the code.
        files: of the span.
        borrowed: of other spans, for their feedback.
        history: span and version from whose state it went on.
    """

    span: int
    version: int
    input_version: int
    recipe: str
    files: Fingerprint
    borrowed: Fingerprint
    history: tuple[int, int] | None

    def is_of(
        self,
        recipe: str,
        files: Mapping[str, tuple[int, int]],
        borrowed: Mapping[str, tuple[int, int]],
        history: tuple[int, int] | None,
    ) -> bool:
        """Whether a new ingestion would be made of the same.

        Feedback of other days, and earlier spans, may have been deleted since: logs are not
        kept for ever.
        """
        return (
            self.recipe == recipe
            and self.files == files
            and all(self.borrowed.get(name) == mark for name, mark in borrowed.items())
            and history in (None, self.history)
        )


class StoredSpan(NamedTuple):
    """A version of a span in the store."""

    folder: str
    record: SpanRecord

    @property
    def date(self) -> str:
        """The day, such as 2026-01-05."""
        return date_of(self.record.span).isoformat()

    @property
    def dead_letters(self) -> str:
        """The folder of counts and refused rows."""
        return f"{self.folder}/{DEAD_LETTERS}"

    @property
    def history(self) -> str:
        """What is known at the end of the span; there is no such file without histories."""
        return f"{self.dead_letters}/{HISTORY_FILE}"

    def counts(self) -> IngestCounts:
        """What became of its rows."""
        return read_counts(self.dead_letters)


class SpanStore:
    """The ingested spans in a folder.

    Args:
        folder: a path or a URI; made on first use.
    """

    def __init__(self, folder: str) -> None:
        self.folder = in_full(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process out; an object store has no locks, there it is up to the caller.

        Raises:
            InputError: if another process holds the store, or it cannot be made.
            DiskFullError: if there is no room for it.
        """
        if is_uri(self.folder):
            yield
            return
        with locked(Path(self.folder), "store of spans"):
            yield

    def spans(self) -> dict[int, StoredSpan]:
        """The newest version of each span that is there, by rising number."""
        found = ((span, self.newest(span)) for span in self._days())
        return {span: newest for span, newest in found if newest is not None}

    def folder_of(self, span: int, version: int) -> str:
        """Where a version of a span is, or will be."""
        return f"{self._home(span)}/v{version}"

    def newest(self, span: int) -> StoredSpan | None:
        """The newest version of a span; what was refused is none."""
        folder = self._newest_with(SPAN_FILE, span)
        return StoredSpan(folder, _read_record(f"{folder}/{SPAN_FILE}")) if folder else None

    def dead_letters(self) -> list[str]:
        """The folder of dead letters of each span's newest version, refused or not."""
        counts = f"{DEAD_LETTERS}/{COUNTS_FILE}"
        folders = (self._newest_with(counts, span) for span in self._days())
        return [f"{folder}/{DEAD_LETTERS}" for folder in folders if folder]

    def _days(self) -> list[int]:
        return sorted(parse_span(n) for n in list_folders(self.folder) if _DATE.fullmatch(n))

    def _newest_with(self, file: str, span: int) -> str | None:
        """The newest folder of a span that has a file."""
        found = filter(None, map(_VERSION.fullmatch, list_folders(self._home(span))))
        versions = sorted((int(match[1]) for match in found), reverse=True)
        folders = (self.folder_of(span, version) for version in versions)
        return next((folder for folder in folders if is_file(f"{folder}/{file}")), None)

    def _home(self, span: int) -> str:
        return f"{self.folder}/{date_of(span).isoformat()}"


def _read_record(path: str) -> SpanRecord:
    try:
        return SpanRecord.model_validate_json(read_whole(path, _MAX_BYTES))
    except ValidationError as error:
        raise InputError(f"{path}: must say what a span was made of: {error}") from None
