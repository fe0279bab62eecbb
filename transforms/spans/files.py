"""The files of every span in a folder of logs."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from transforms.errors import InputError
from transforms.spans.days import date_of
from transforms.spans.pattern import Place, compile_pattern, place_of


class SpanFiles(NamedTuple):
    """The newest version of a span.

    Attributes:
        version: 0 where the pattern has none.
        files: relative path -> path, sorted.
        replaced: the relative paths of older versions.
    """

    version: int
    files: dict[str, str]
    replaced: tuple[str, ...] = ()


def newest_spans(pattern: str, files: Mapping[str, str]) -> dict[int, SpanFiles]:
    """The newest version of each span, by rising number.

    Args:
        pattern: see `compile_pattern`.
        files: relative path -> path; those that the pattern does not speak of are left out.

    Raises:
        InputError: if a file is of no day.
    """
    compiled = compile_pattern(pattern)
    found: dict[Place, dict[str, str]] = {}
    for relative in sorted(files):
        place = place_of(compiled, relative)
        if place is not None:
            found.setdefault(place, {})[relative] = files[relative]
    spans: dict[int, SpanFiles] = {}
    for place in sorted(found):
        older = spans.get(place.span, SpanFiles(0, {}))
        spans[place.span] = SpanFiles(place.version, found[place], (*older.replaced, *older.files))
    return spans


def files_of(spans: Iterable[SpanFiles]) -> dict[str, str]:
    """All files of some spans."""
    return {relative: path for span in spans for relative, path in span.files.items()}


def require_spans(folder: str, pattern: str, spans: Mapping[int, SpanFiles]) -> None:
    """Refuses a folder in which the pattern finds nothing.

    Raises:
        InputError: naming both.
    """
    if not spans:
        raise InputError(f"{folder}: must hold files like logs.spans.input, {pattern!r}")


def describe(span: int) -> str:
    """A span for people.

    Example:
        >>> describe(20458)
        '2026-01-05 (span 20458)'
    """
    return f"{date_of(span)} (span {span})"
