"""JSON values to arrays, one at a time: finds the first value that breaks a rule.

The rules and their messages are TensorFlow Serving's: the shape is that of the first
list at each depth, integers must fit their type, bytes come as {"b64": ...}.
"""

import base64
import re
from typing import Any

import numpy as np

from serving.server.documents.columns import INTEGER_LIMITS, MAX_RANK
from serving.server.documents.printer import debug_string
from serving.server.documents.types import Json, to_bytes, type_word
from serving.server.signatures import NUMPY_TYPES, Array
from serving.server.status import Code, ServingError, invalid_argument

_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_ASCII_SPACE = str.maketrans("", "", " \t\n\v\f\r")


def is_base64(value: Json) -> bool:
    """Whether the value is a string of bytes, {"b64": text}.

    Example:
        >>> is_base64({"b64": "aGk="}), is_base64({"b64": "aGk=", "x": 1})
        (True, False)
    """
    return type(value) is dict and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: Json) -> bytes:
    """The bytes of {"b64": text}; white space is skipped, padding may be missing or dots.

    Raises:
        ServingError: INVALID_ARGUMENT if it is something else.

    Example:
        >>> decode_base64({"b64": "aGk"})
        b'hi'
    """
    if not is_base64(value):
        raise invalid_argument(
            f"JSON Value: {debug_string(value)} not formatted correctly for base64 data"
        )
    text = value["b64"].translate(_ASCII_SPACE).replace(".", "=")
    digits = text.rstrip("=")
    padding = len(text) - len(digits)
    missing = -len(digits) % 4
    if missing == 3 or padding not in (0, missing) or not _BASE64.fullmatch(digits):
        raise invalid_argument("Unable to base64 decode")
    return base64.b64decode(digits + "=" * missing)


class ValueCollector:
    """The values of one tensor, collected from one or several JSON values.

    Args:
        dtype: TensorFlow's name of the type.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.values: list[Any] = []

    def add(self, value: Json) -> tuple[int, ...]:
        """Takes a scalar or nested lists.

        Returns:
            Its shape.

        Raises:
            ServingError: on a value of the wrong type, or lists of unequal lengths.
        """
        shape = shape_of(value)
        if len(shape) <= MAX_RANK:
            self._fill(value, 0, shape)
        return shape

    def array(self, shape: tuple[int, ...]) -> Array:
        """All values as an array; what is beyond the shape is left out."""
        array = np.empty(len(self.values), NUMPY_TYPES.get(self.dtype, object))
        array[:] = self.values
        return array[: int(np.prod(shape, dtype=np.int64))].reshape(shape)

    def _fill(self, value: Json, level: int, shape: tuple[int, ...]) -> None:
        if type(value) is not list:
            if level != len(shape):
                raise invalid_argument(
                    f"JSON Value: {debug_string(value)} found at incorrect level: {level + 1} "
                    f"in the JSON DOM. Expected at level: {len(shape)}"
                )
            self.values.append(_to_scalar(value, self.dtype))
            return
        if level >= len(shape):
            raise invalid_argument(
                f"Encountered list at unexpected level: {level} expected < {len(shape)}"
            )
        if len(value) != shape[level]:
            raise invalid_argument(
                f"Encountered list at unexpected size: {len(value)} at level: {level} "
                f"expected size: {shape[level]}"
            )
        for member in value:
            self._fill(member, level + 1, shape)


def shape_of(value: Json) -> tuple[int, ...]:
    """The lengths of the value and of the first list at each depth below it.

    Example:
        >>> shape_of([[1, 2], [3]])
        (2, 2)
    """
    shape = []
    while type(value) is list:
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _to_scalar(value: Json, dtype: str) -> Any:
    if isinstance(value, dict):
        if dtype == "string":
            return decode_base64(value)
        raise _type_error(value, dtype)
    is_number = type(value) in (int, float)
    if dtype in INTEGER_LIMITS:
        low, high = INTEGER_LIMITS[dtype]
        if type(value) is not int or not low <= value <= high:
            raise _type_error(value, dtype)
        # The small types keep the low bits of a 32-bit integer.
        return np.int64(value).astype(NUMPY_TYPES[dtype]) if high < 2**32 else value
    match dtype:
        case "float" | "double" if is_number:
            with np.errstate(over="ignore"):
                return np.float64(value).astype(NUMPY_TYPES[dtype])
        case "string" if type(value) is str:
            return to_bytes(value)
        case "bool" if type(value) is bool:
            return value
        case "float" | "double" | "string" | "bool":
            raise _type_error(value, dtype)
    raise ServingError(
        Code.UNIMPLEMENTED, f"Conversion of JSON Value: {debug_string(value)} to type: {dtype}"
    )


def _type_error(value: Json, dtype: str) -> ServingError:
    return invalid_argument(
        f"JSON Value: {debug_string(value)} Type: {type_word(value)} "
        f"is not of expected type: {dtype}"
    )
