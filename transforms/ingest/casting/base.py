"""From what a column holds to what a key or a feature is, whole columns at a time.

Each cast tries the one fast conversion first. Only if that fails does it look, with one
expression over the column, for the values to refuse.
"""

from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from transforms.ingest.dead_letters.refusals import Refusals


class Cast(Protocol):
    """Turns a column as read into a column of one Arrow type.

    Attributes:
        type: what comes out.
        rule: what the column must hold, for messages.
    """

    @property
    def type(self) -> pa.DataType: ...

    @property
    def rule(self) -> str: ...

    def accepts(self, source: pa.DataType) -> bool:
        """Whether a column of the type can be cast at all."""
        ...

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        """Casts the column `name`; values that break the rule become null and are refused."""
        ...


def decode(values: pa.Array) -> pa.Array:
    """The values themselves, where a column holds them as a dictionary."""
    return values.dictionary_decode() if types.is_dictionary(values.type) else values


def to_text(values: pa.Array) -> pa.Array:
    """A column as text, with a replacement character where binary data is no UTF-8."""
    if not (types.is_binary(values.type) or types.is_large_binary(values.type)):
        return pc.cast(values, pa.string())
    texts = [None if v is None else v.decode("utf-8", "replace") for v in values.to_pylist()]
    return pa.array(texts, pa.string())


def plain_type(source: pa.DataType) -> pa.DataType:
    """The type of a column's values."""
    return source.value_type if types.is_dictionary(source) else source


def is_text(source: pa.DataType) -> bool:
    """Whether a column of the type holds text, or nothing but nulls."""
    plain = plain_type(source)
    text = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return types.is_null(plain) or any(check(plain) for check in text)


def is_number(plain: pa.DataType) -> bool:
    """Whether values of the type can be read as numbers without parsing."""
    checks = (types.is_integer, types.is_float32, types.is_float64, types.is_decimal)
    return types.is_boolean(plain) or any(check(plain) for check in checks)


def is_scalar(plain: pa.DataType) -> bool:
    """Whether each value of the type can be written as one word."""
    is_time = types.is_timestamp(plain) and _has_known_zone(plain)
    return is_number(plain) or types.is_date(plain) or is_time


def _has_known_zone(timestamp: pa.DataType) -> bool:
    """Whether this machine knows the time zone, without which a time cannot be written."""
    try:
        pc.cast(pa.array([0], timestamp), pa.string())
    except pa.ArrowInvalid:
        return False
    return True
