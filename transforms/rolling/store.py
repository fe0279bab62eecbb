"""The folders of ingested spans: `<date>/v<version>`, each with what ingestion writes.

A version never changes once it is there; `span.json` in it says what it was made of.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from transforms.errors import InputError
from transforms.ingest.counting.counts import IngestCounts, read_counts
from transforms.ingest.dead_letters.files import DEAD_LETTERS
from transforms.ingest.history.state import HISTORY_FILE
from transforms.section import Section
from transforms.small_files import read_small_file
from transforms.spans.days import date_of, parse_span

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

    folder: Path
    record: SpanRecord

    @property
    def dead_letters(self) -> Path:
        """The folder of counts and refused rows."""
        return self.folder / DEAD_LETTERS

    @property
    def history(self) -> Path:
        """What is known at the end of the span; there is no such file without histories."""
        return self.dead_letters / HISTORY_FILE

    def counts(self) -> IngestCounts:
        """What became of its rows."""
        return read_counts(str(self.dead_letters))


class SpanStore:
    """The ingested spans in a folder.

    Args:
        folder: made on first use.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def spans(self) -> list[int]:
        """The spans that are there, by rising number."""
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        found = (parse_span(path.name) for path in folders if _DATE.fullmatch(path.name))
        return sorted(span for span in found if self.newest(span) is not None)

    def folder_of(self, span: int, version: int) -> Path:
        """Where a version of a span is, or will be."""
        return self.folder / date_of(span).isoformat() / f"v{version}"

    def newest(self, span: int) -> StoredSpan | None:
        """The newest version of a span; what was refused is none."""
        home = self.folder / date_of(span).isoformat()
        folders = home.iterdir() if home.is_dir() else ()
        found = {path: _VERSION.fullmatch(path.name) for path in folders}
        numbers = [int(m[1]) for p, m in found.items() if m and (p / SPAN_FILE).is_file()]
        if not numbers:
            return None
        folder = self.folder_of(span, max(numbers))
        return StoredSpan(folder, _read_record(folder / SPAN_FILE))


def _read_record(path: Path) -> SpanRecord:
    try:
        return SpanRecord.model_validate_json(read_small_file(path, _MAX_BYTES))
    except ValidationError as error:
        raise InputError(f"{path}: must say what a span was made of: {error}") from None
