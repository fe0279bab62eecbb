"""Numbers of a JSON text, to the last bit as TensorFlow Serving's parser reads them.

Its doubles come from one multiplication or division of the leading digits by a power of
ten, which can be off by a unit in the last place from the nearest double.
"""

import math
import re
from decimal import Decimal

from serving.server.documents.types import Json

_MAX_EXACT = 2**53 - 1
_MAX_BEFORE_DIGIT = 1.7976931348623157e307
_MAX_DIGITS = 17
_LONGEST_INTEGER = len(str(2**64))
_POWERS_OF_TEN = [float(f"1e{n}") for n in range(309)]

NUMBER = re.compile(
    rb"(?P<minus>-?)(?P<whole>0|[1-9][0-9]*)(?:\.(?P<fraction>[0-9]+))?"
    rb"(?:[eE](?P<sign>[+-]?)(?P<exponent>[0-9]+))?"
)


class NumberTooBigError(ValueError):
    """The number is beyond what a double holds."""


def read_number(match: re.Match[bytes]) -> Json:
    """The value of a number.

    Args:
        match: of `NUMBER`.

    Returns:
        An int if it is written as one and fits 64 bits, else a float.

    Raises:
        NumberTooBigError: if the parser refuses its size.

    Example:
        >>> [read_number(NUMBER.fullmatch(text)) for text in (b"-0", b"0.25", b"2e2")]
        [0, 0.25, 200.0]
    """
    whole, fraction = match["whole"], match["fraction"]
    if fraction is None and match["exponent"] is None and len(whole) <= _LONGEST_INTEGER:
        value = -int(whole) if match["minus"] else int(whole)
        if -(2**63) <= value < 2**64:
            return value
    double, shift = _leading_digits(whole, fraction or b"", bool(match["minus"]))
    shift = _with_exponent(match, shift)
    double = _scale(_scale(double, -308), shift + 308) if shift < -308 else _scale(double, shift)
    return -double if match["minus"] else double


def _leading_digits(whole: bytes, fraction: bytes, minus: bool) -> tuple[float, int]:
    """The significand as a double, and the power of ten it lacks for the dropped digits."""
    limit = 2**63 if minus else 2**64 - 1
    if len(whole) > _LONGEST_INTEGER or int(whole) > limit:
        return _overflowing_digits(whole, limit), 0
    significand, seen, used = int(whole), len(whole) - 1, 0
    for digit in fraction:
        if significand > _MAX_EXACT:
            break
        significand = significand * 10 + digit - 48
        used += 1
        seen += significand != 0
    double, shift = float(significand), -used
    for digit in fraction[used:]:
        if seen >= _MAX_DIGITS:
            break
        double = double * 10.0 + (digit - 48)
        shift -= 1
        seen += double > 0.0
    return double, shift


def _overflowing_digits(whole: bytes, limit: int) -> float:
    """An integer of more than 64 bits, digit by digit once it no longer fits."""
    fits = len(str(limit)) if int(whole[: len(str(limit))]) <= limit else len(str(limit)) - 1
    double = float(int(whole[:fits]))
    for digit in whole[fits:]:
        if double >= _MAX_BEFORE_DIGIT:
            raise NumberTooBigError
        double = double * 10 + (digit - 48)
    return double


def _with_exponent(match: re.Match[bytes], shift: int) -> int:
    if match["exponent"] is None:
        return shift
    digits = match["exponent"].lstrip(b"0")
    exponent = int(digits[:10] or b"0")
    if match["sign"] == b"-":
        return shift - exponent
    if len(match["exponent"]) > 1 and exponent > 308 - shift:
        raise NumberTooBigError
    return shift + exponent


def _scale(double: float, power: int) -> float:
    if power < -308:
        return 0.0
    if power >= 0:
        return double * _POWERS_OF_TEN[power]
    return double / _POWERS_OF_TEN[-power]


def format_double(value: float) -> str:
    """A finite double as TensorFlow Serving's error messages print it.

    Example:
        >>> format_double(1e30), format_double(0.001234), format_double(1e20)
        ('1e30', '0.001234', '100000000000000000000.0')
    """
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return f"{sign}0.0"
    number = Decimal(repr(abs(value))).as_tuple()
    digits = "".join(map(str, number.digits))
    point = len(digits) + int(number.exponent)
    return sign + _place_point(digits.rstrip("0"), point)


def _place_point(digits: str, point: int) -> str:
    """0.`digits` times ten to the `point`, in the shortest of four notations."""
    if len(digits) <= point <= 21:
        return f"{digits:0<{point}}.0"
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{point - 1}"
