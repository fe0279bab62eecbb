"""Whole JSON lists to arrays, column-wise: the way of every request that is in order.

A list that is ragged, or holds a value of the wrong type, or bytes as base64, is
`IrregularError` here; `values` then takes it value by value, or says what is wrong.
"""

from itertools import chain

import numpy as np

from serving.server.documents.types import Json, to_bytes
from serving.server.signatures import NUMPY_TYPES, Array

MAX_RANK = 64
"""NumPy's arrays have at most so many dimensions; TensorFlow's 254."""

_NUMBERS = frozenset({int, float})
_INT32 = (-(2**31), 2**31 - 1)
INTEGER_LIMITS = {
    # The small types take any 32-bit integer and keep its low bits.
    "int8": _INT32,
    "int16": _INT32,
    "int32": _INT32,
    "uint8": _INT32,
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
"""Type -> smallest and largest integer that a request may hold for it."""


class IrregularError(Exception):
    """The list is no regular array of the type."""


def to_array(value: Json, dtype: str) -> Array:
    """A JSON value as an array.

    Args:
        value: a scalar, or lists nested to any depth, each level of equal lengths.
        dtype: TensorFlow's name of the type.

    Returns:
        The array, its shape that of the lists; strings as `bytes` objects.

    Raises:
        IrregularError: if it takes a closer look.

    Example:
        >>> to_array([[1, 2.5], [3, 4]], "float").shape
        (2, 2)
    """
    flat, shape = _flatten(value)
    return make_array(flat, dtype).reshape(shape)


def make_array(flat: list[Json], dtype: str) -> Array:
    """A list of scalars as an array [len(flat)].

    Raises:
        IrregularError: if a scalar is not of the type, or JSON cannot hold the type.
    """
    types = set(map(type, flat))
    if dtype in INTEGER_LIMITS:
        return _integers(flat, types, dtype)
    match dtype:
        case "float" | "double" if types <= _NUMBERS:
            with np.errstate(over="ignore"):
                return np.array(flat, np.float64).astype(NUMPY_TYPES[dtype], copy=False)
        case "string" if types <= {str}:
            return _strings(flat)
        case "bool" if types <= {bool}:
            return np.array(flat, np.bool_)
    raise IrregularError


def _strings(flat: list[str]) -> Array:
    array = np.empty(len(flat), object)
    # Encoding one long string is several times quicker than many short ones.
    joined = "\n".join(flat)
    if flat and joined.count("\n") == len(flat) - 1:
        array[:] = to_bytes(joined).split(b"\n")
    else:
        array[:] = [to_bytes(text) for text in flat]
    return array


def _integers(flat: list[Json], types: set[type], dtype: str) -> Array:
    low, high = INTEGER_LIMITS[dtype]
    if not types <= {int} or (flat and not low <= min(flat) <= max(flat) <= high):
        raise IrregularError
    wide = np.uint64 if dtype == "uint64" else np.int64
    return np.array(flat, wide).astype(NUMPY_TYPES[dtype], copy=False)


def _flatten(value: Json) -> tuple[list[Json], tuple[int, ...]]:
    """All scalars in order, and the lengths of the lists at each depth."""
    if type(value) is not list:
        return [value], ()
    shape = [len(value)]
    level = value
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list} or len(set(map(len, level))) > 1:
            raise IrregularError
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    if len(shape) > MAX_RANK:
        raise IrregularError
    return level, tuple(shape)
