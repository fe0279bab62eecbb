"""Values of a request to arrays as the model takes them.

The rules are those by which the logs were read for training: an integer is its decimal
text where the model wants a word, a boolean is 1 or 0 where it wants a number.
"""

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.ranking.errors import refuse
from serving.ranking.signature import InputSpec

Array = npt.NDArray[Any]
Values = Sequence[Any] | Array
Place = Callable[[int], str]

_NONE = type(None)
_NUMBERS = {int, float, _NONE}
_NUMERIC_KINDS = frozenset("biuf")
_LARGEST_FLOAT = 3.4028234663852886e38
_LARGEST_WHOLE = 1e15


def make_column(values: Values, spec: InputSpec, place: Place) -> Array:
    """Converts one feature's values.

    Args:
        values: one a row, None where it is missing; an array of numbers is converted as a
            whole.
        spec: of the input.
        place: row -> where the value stands in the request, for error messages.

    Returns:
        [N] float32, NaN where a number is missing; [N] words, "" where one is missing; or
        [N, m] words, the lists filled up with "".

    Raises:
        RankingRequestError: at the first value of a wrong type.

    Example:
        >>> make_column(["a", None, 7], InputSpec(True, True), "candidates[{}].brand".format)
        array(['a', '', '7'], dtype=object)
    """
    if spec.is_list:
        return _lists(values, spec, place)
    if spec.is_text:
        return np.array(_words(to_list(values), place), object)
    return _numbers(values, place)


def make_missing(size: int, spec: InputSpec) -> Array:
    """The column of a feature that no candidate has.

    Example:
        >>> make_missing(2, InputSpec(True, True, is_list=True, max_values=1)).tolist()
        [[''], ['']]
    """
    if spec.is_list:
        return np.full((size, spec.max_values or 0), "", object)
    return np.full(size, "", object) if spec.is_text else np.full(size, math.nan, np.float32)


def _numbers(values: Values, place: Place) -> Array:
    numbers = _to_numbers(values, place)
    wrong = np.abs(numbers) > _LARGEST_FLOAT
    if wrong.any():
        row = int(wrong.argmax())
        raise refuse(place(row), "must be a finite 32-bit float", to_list(values)[row])
    return numbers.astype(np.float32)


def _to_numbers(values: Values, place: Place) -> Array:
    if isinstance(values, np.ndarray) and values.dtype.kind in _NUMERIC_KINDS and values.ndim == 1:
        # In 64 bits no 32-bit rule overflows, and no absolute value of an integer wraps.
        return values.astype(np.float64, copy=False)
    plain = to_list(values)
    if set(map(type, plain)) <= _NUMBERS:
        try:
            return np.array(plain, np.float64)  # None becomes NaN
        except OverflowError:
            pass  # an integer beyond every float: found with its row below
    return np.array([_to_number(value, place, row) for row, value in enumerate(plain)], float)


def _to_number(value: Any, place: Place, row: int) -> float:
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is None:
        return math.nan
    if not isinstance(plain, int | float):
        raise refuse(place(row), "must be a number", value)
    if abs(plain) > _LARGEST_FLOAT:
        raise refuse(place(row), "must be a finite 32-bit float", value)
    return float(plain)


def _words(values: Sequence[Any], place: Place) -> list[str]:
    types = set(map(type, values))
    if types <= {str}:
        words = list(values)
    elif types <= {str, _NONE}:
        words = [value or "" for value in values]
    else:
        words = [_to_word(value, place, row) for row, value in enumerate(values)]
    if not _is_unicode("".join(words)):
        row = next(row for row, word in enumerate(words) if not _is_unicode(word))
        raise refuse(place(row), "must be Unicode text", values[row])
    return words


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: JSON's escapes can write halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _to_word(value: Any, place: Place, row: int) -> str:
    match value.item() if isinstance(value, np.generic) else value:
        case str() as word:
            return word
        case None:
            return ""
        case bool() as flag:
            return "true" if flag else "false"
        case int() as number:
            return str(number)
        case float() as number if math.isnan(number):
            return ""
        case float() as number if number.is_integer() and abs(number) < _LARGEST_WHOLE:
            return str(int(number))
        case float() as number if math.isfinite(number):
            return repr(number)
    raise refuse(place(row), "must be a word or a number", value)


def _lists(values: Values, spec: InputSpec, place: Place) -> Array:
    rows = to_list(values)
    # The set is quicker than asking every one of thousands.
    if set(map(type, rows)) - {list}:
        rows = [_to_row(value, place, row) for row, value in enumerate(rows)]
    width = max(map(len, rows), default=0) if spec.max_values is None else spec.max_values
    padding = [""] * width
    flat = list(chain.from_iterable([*row, *padding][:width] for row in rows))
    words = _words(flat, lambda at: f"{place(at // width)}[{at % width}]")
    return np.array(words, object).reshape(len(rows), width)


def _to_row(value: Any, place: Place, row: int) -> Sequence[Any]:
    plain = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(plain, list | tuple | None):
        raise refuse(place(row), "must be a list of words", value)
    return plain or ()


def to_list(values: Values) -> Sequence[Any]:
    """The values as Python's own."""
    return values.tolist() if isinstance(values, np.ndarray) else values
