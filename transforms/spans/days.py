"""A span is a day in UTC, and its number counts the days since 1970-01-01, as in TFX."""

from datetime import date, timedelta

from transforms.errors import InputError

DAY = 86_400_000
"""Milliseconds."""

_EPOCH = date(1970, 1, 1)
_LAST = (date(9999, 12, 31) - _EPOCH).days


def span_of(day: date) -> int:
    """The number of a day.

    Example:
        >>> span_of(date(2026, 1, 5))
        20458
    """
    return (day - _EPOCH).days


def date_of(span: int) -> date:
    """The day of a number.

    Example:
        >>> date_of(20458).isoformat()
        '2026-01-05'
    """
    return _EPOCH + timedelta(days=span)


def is_span(number: int) -> bool:
    """Whether there is such a day, from 1970 to 9999."""
    return 0 <= number <= _LAST


def parse_span(text: str) -> int:
    """Reads a span as a person writes it.

    Raises:
        InputError: if it is neither a number nor a date.

    Example:
        >>> parse_span("2026-01-05"), parse_span("20458")
        (20458, 20458)
    """
    try:
        number = int(text) if text.isdecimal() else span_of(date.fromisoformat(text))
    except ValueError:
        number = -1
    if not is_span(number):
        raise InputError(
            "span: must be a date, such as 2026-01-05, or a number of days since 1970. "
            f"Received: {text!r}"
        )
    return number
