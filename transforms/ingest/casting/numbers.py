"""Casts of columns that hold numbers."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.casting.base import decode, is_number, is_text, plain_type, to_text
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import Refusals
from transforms.ingest.rows.arrays import MAX_FLOAT32, Flags, to_flags

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"

_NOTHING = pa.scalar(None, pa.float64())


@dataclass(frozen=True)
class NumberCast:
    """A number: float32; NaN is missing, what is infinite in 32 bits is refused.

    Attributes:
        minimum: smaller numbers are refused; None for no such rule.
    """

    minimum: float | None = None
    type = pa.float32()
    rule = "must hold numbers"

    def accepts(self, source: pa.DataType) -> bool:
        plain = plain_type(source)
        return is_text(source) or is_number(plain)

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        numbers = _finite(name, values, refusals)
        if self.minimum is not None:
            rule = f"`{name}` must be at least {self.minimum:g}"
            small = to_flags(pc.less(numbers, self.minimum))
            refusals.refuse(small, Reason.NEGATIVE_VALUE, rule, values)
        return pc.cast(_without_nan(numbers), pa.float32(), safe=False)


@dataclass(frozen=True)
class ValueCast:
    """The value of an event: float64, finite in 32 bits, 1 where it is missing."""

    type = pa.float64()
    rule = NumberCast.rule

    def accepts(self, source: pa.DataType) -> bool:
        return NumberCast().accepts(source)

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        numbers = _finite(name, values, refusals)
        rule = f"`{name}` must be a number or missing"
        refusals.refuse(to_flags(pc.is_nan(numbers)), Reason.NAN_VALUE, rule, values)
        return pc.fill_null(numbers, 1.0)


@dataclass(frozen=True)
class PositionCast:
    """A place in a list: int64 from 0 to 2^31 - 1, or missing."""

    type = pa.int64()
    rule = "must hold whole numbers"

    def accepts(self, source: pa.DataType) -> bool:
        return NumberCast().accepts(source)

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        numbers = _without_nan(_finite(name, values, refusals))
        rules = (
            (pc.not_equal(pc.floor(numbers), numbers), Reason.NOT_WHOLE, "be a whole number"),
            (pc.greater_equal(numbers, 2.0**31), Reason.NUMBER_TOO_LARGE, "be below 2^31"),
            (pc.less(numbers, 0.0), Reason.NEGATIVE_VALUE, "be at least 0"),
        )
        bad = np.zeros(len(values), dtype=bool)
        for mask, reason, rule in rules:
            flags = to_flags(mask)
            refusals.refuse(flags, reason, f"`{name}` must {rule}", values)
            bad |= flags
        return pc.cast(pc.if_else(pa.array(~bad), numbers, _NOTHING), pa.int64())


def _finite(name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
    """Reads a column as float64; refuses what is no number, infinite, or so in 32 bits."""
    numbers, bad = parse_numbers(values)
    refusals.refuse(bad, Reason.WRONG_TYPE, f"`{name}` must be a number", values)
    large = to_flags(pc.greater(pc.abs(numbers), MAX_FLOAT32))
    if large.any():
        infinite = to_flags(pc.is_inf(numbers))
        refusals.refuse(infinite, Reason.INFINITE_VALUE, f"`{name}` must be finite", values)
        rule = f"`{name}` must be finite in 32 bits"
        refusals.refuse(large & ~infinite, Reason.NUMBER_TOO_LARGE, rule, values)
    return numbers


def _without_nan(numbers: pa.Array) -> pa.Array:
    is_nan = pc.is_nan(numbers)
    return pc.if_else(is_nan, _NOTHING, numbers) if pc.any(is_nan).as_py() else numbers


def parse_numbers(values: pa.Array) -> tuple[pa.Array, Flags]:
    """Reads a column as float64.

    Returns:
        The numbers, null where there is none, and flags at the values that are no number.
    """
    nothing_bad = np.zeros(len(values), dtype=bool)
    values = decode(values)
    if not is_text(values.type):
        return pc.cast(values, pa.float64(), safe=False), nothing_bad
    try:
        return pc.cast(values, pa.string()).cast(pa.float64()), nothing_bad
    except pa.ArrowInvalid:
        text = pc.ascii_trim_whitespace(to_text(values))
        fits = pc.match_substring_regex(text, _NUMBER)
        numbers = pc.cast(pc.if_else(fits, text, pa.scalar(None, pa.string())), pa.float64())
        return numbers, to_flags(pc.and_not(pc.not_equal(text, ""), fits))
