"""From a file's path to its span and version, by a pattern as TFX's ExampleGen has them."""

import re
from datetime import date
from typing import NamedTuple

from transforms.errors import InputError
from transforms.spans.days import is_span, span_of

_TOKEN = re.compile(r"(\{[^{}]*\}|\*|\?)")
_PART = re.compile(r"[^/]*/|[^/]+")
_MAX_STARS = 3
_WIDTH = re.compile(r"\{(SPAN|VERSION)(?::([1-9]\d?))?\}")
_DATE = {"{YYYY}": r"(?P<year>\d{4})", "{MM}": r"(?P<month>\d{2})", "{DD}": r"(?P<day>\d{2})"}
_GLOBS = {"*": "[^/]*", "?": "[^/]"}


class Place(NamedTuple):
    """Where a file belongs.

    Attributes:
        span: the number of the day.
        version: 0 where the pattern has none.
    """

    span: int
    version: int


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compiles a pattern of paths below the logs' folder.

    `{SPAN}` is the number of the span, or `{YYYY}`, `{MM}` and `{DD}` its date; `{VERSION}` may
    stand beside them. `{SPAN:5}` is a number of five digits, zeros before it. `*` and `?` stand
    for letters inside one part of the path.

    Raises:
        ValueError: with the rule that the pattern breaks.

    Example:
        >>> place_of(compile_pattern("*/{YYYY}-{MM}-{DD}/*"), "feedback/1970-01-03/a.csv")
        Place(span=2, version=0)
    """
    tokens = [token for token in _TOKEN.split(text) if token]
    named = [token for token in tokens if token.startswith("{")]
    kinds = [token[1:-1].partition(":")[0] for token in named]
    by_number, by_date = kinds.count("SPAN"), [kinds.count(name) for name in ("YYYY", "MM", "DD")]
    if (by_number, by_date) not in ((1, [0, 0, 0]), (0, [1, 1, 1])):
        raise ValueError(
            "a pattern must hold {SPAN} once, or each of {YYYY}, {MM} and {DD} once. "
            f"Received: {text!r}"
        )
    if kinds.count("VERSION") > 1:
        raise ValueError(f"a pattern must hold {{VERSION}} at most once. Received: {text!r}")
    for token in tokens:
        _as_regex(token)
    parts = _PART.findall(text)
    for part in parts:
        if part.count("*") > _MAX_STARS:
            raise ValueError(
                f"a pattern must hold at most {_MAX_STARS} * between two slashes. "
                f"Received: {part[:200]!r}"
            )
    return re.compile("".join(map(_part_as_regex, parts)))


def _part_as_regex(part: str) -> str:
    """What has been matched up to a slash stays so: a path is never tried in many ways."""
    return f"(?>{''.join(_as_regex(token) for token in _TOKEN.split(part) if token)})"


def _as_regex(token: str) -> str:
    if not token.startswith("{"):
        return _GLOBS.get(token) or re.escape(token)
    if token in _DATE:
        return _DATE[token]
    found = _WIDTH.fullmatch(token)
    if found is None:
        raise ValueError(
            "a pattern knows {SPAN}, {YYYY}, {MM}, {DD} and {VERSION}, and {SPAN:5} with so many "
            f"digits. Received: {token}"
        )
    digits = f"{{{found[2]}}}" if found[2] else "{1,9}"
    return rf"(?P<{found[1].lower()}>\d{digits})"


def place_of(pattern: re.Pattern[str], relative: str) -> Place | None:
    """The span and version of a file; None if the pattern does not speak of it.

    Args:
        pattern: see `compile_pattern`.
        relative: the file's path below the logs' folder.

    Raises:
        InputError: if what stands for the span is no day.
    """
    found = pattern.fullmatch(relative)
    if found is None:
        return None
    groups = found.groupdict()
    try:
        span = (
            int(groups["span"])
            if "span" in groups
            else span_of(date(*(int(groups[name]) for name in ("year", "month", "day"))))
        )
    except ValueError:
        span = -1
    if not is_span(span):
        raise InputError(f"{relative}: must be in the folder of a day from 1970 to 9999")
    return Place(span, int(groups.get("version") or 0))
