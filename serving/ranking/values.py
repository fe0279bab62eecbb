"""Values of a request document to values of the model's inputs.

The rules are those by which the logs were read for training: an integer is its decimal
text where the model wants a word, a boolean is 1 or 0 where it wants a number.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from serving.ranking.signature import InputSpec
from transforms.errors import InputError

_NONE = type(None)
_NUMBERS = {int, float}
_LARGEST_FLOAT = 3.4028234663852886e38
_LARGEST_WHOLE = 1e15
_LARGEST_INT = 2**63 - 1  # that a body can hold
_SHOWN = 80


class RankingRequestError(InputError):
    """The request document is not what the model can rank; the message says where."""


Place = Callable[[int], str]


def make_column(values: Sequence[Any], spec: InputSpec, place: Place) -> list[Any]:
    """Converts one feature's values.

    Args:
        values: one a row; None where it is missing.
        spec: of the input.
        place: row -> where the value stands in the document, for error messages.

    Returns:
        One a row: a float (NaN if missing), a word ("" if missing), or a list of
        words, all of one length.

    Raises:
        RankingRequestError: at the first value of a wrong type.

    Example:
        >>> make_column(["a", None, 7], InputSpec(True, True), "candidates[{}].brand".format)
        ['a', '', '7']
    """
    if not values:
        return []
    if spec.is_list:
        return _lists(values, spec, place)
    return _words(values, place) if spec.is_text else _numbers(values, place)


def _numbers(values: Sequence[Any], place: Place) -> list[float]:
    if (
        set(map(type, values)) <= _NUMBERS
        and min(values) >= -_LARGEST_INT
        and max(values) <= _LARGEST_INT
    ):
        return list(values)
    return [_to_number(value, place, row) for row, value in enumerate(values)]


def _to_number(value: Any, place: Place, row: int) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, int | float):
        raise _wrong(place(row), "must be a number", value)
    if abs(value) > _LARGEST_FLOAT:
        raise _wrong(place(row), "must be a finite 32-bit float", value)
    return float(value)


def _words(values: Sequence[Any], place: Place) -> list[str]:
    if set(map(type, values)) <= {str, _NONE}:
        words = [value or "" for value in values]
    else:
        words = [_to_word(value, place, row) for row, value in enumerate(values)]
    if not _is_unicode("".join(words)):
        row = next(row for row, word in enumerate(words) if not _is_unicode(word))
        raise _wrong(place(row), "must be Unicode text", values[row])
    return words


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: JSON's escapes can write halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _to_word(value: Any, place: Place, row: int) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isnan(value):
            return ""
        case float() if value.is_integer() and abs(value) < _LARGEST_WHOLE:
            return str(int(value))
        case float() if math.isfinite(value):
            return repr(value)
    raise _wrong(place(row), "must be a word or a number", value)


def _lists(values: Sequence[Any], spec: InputSpec, place: Place) -> list[list[str]]:
    for row, value in enumerate(values):
        if not isinstance(value, list | tuple | None):
            raise _wrong(place(row), "must be a list of words", value)
    rows = [value or () for value in values]
    width = max(map(len, rows)) if spec.max_values is None else spec.max_values
    columns = [
        _words(words, lambda index, row=row: f"{place(row)}[{index}]")  # type: ignore[misc]
        for row, words in enumerate(value[:width] for value in rows)
    ]
    return [words + [""] * (width - len(words)) for words in columns]


def _wrong(place: str, rule: str, value: Any) -> RankingRequestError:
    text = repr(value)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return RankingRequestError(f"{place}: {rule}. Received: {shown}")
