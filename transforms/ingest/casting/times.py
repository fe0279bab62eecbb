"""Casts columns that hold times to milliseconds since the epoch (UTC)."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from transforms.ingest.casting.base import decode, is_number, is_text, plain_type, to_text
from transforms.ingest.casting.numbers import parse_numbers
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import Refusals
from transforms.ingest.rows.arrays import Flags, to_flags
from transforms.logs import TimeUnit
from transforms.section import format_time

_YEAR_10000 = 253_402_300_800
_MILLISECONDS = {"d": 86_400_000, "s": 1000, "ms": 1}
_A_MILLISECOND = {"ms": 1, "us": 1000, "ns": 1_000_000}
_DATE_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?"
_LOCAL = rf"^\d{{4}}-\d{{2}}-\d{{2}}$|{_DATE_TIME}$"
_ZONED = rf"{_DATE_TIME}(Z|[+-]\d{{2}}(:?\d{{2}})?)$"


@dataclass(frozen=True)
class TimeCast:
    """A time, never missing: int64 milliseconds.

    Takes whole numbers in `unit`, Arrow timestamps and dates, and ISO-8601 text, which is
    UTC where it names no zone. Parts of a millisecond are cut off.

    Attributes:
        unit: of plain numbers.
        span: the first millisecond that is allowed and the first after it; None for any.
    """

    unit: TimeUnit
    span: tuple[int, int] | None = None
    type = pa.int64()
    rule = "must hold timestamps, whole numbers or ISO-8601 text"

    def accepts(self, source: pa.DataType) -> bool:
        plain = plain_type(source)
        number = is_number(plain) and not types.is_boolean(plain)
        return is_text(source) or number or types.is_timestamp(plain) or types.is_date(plain)

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        values = decode(values)
        times = self._read(values)
        if times.null_count:
            self._refuse(name, values, times, refusals)
        if self.span is not None:
            first, end = self.span
            inside = pc.and_(pc.greater_equal(times, first), pc.less(times, end))
            rule = f"`{name}` must be from {format_time(first)} to before {format_time(end)}"
            refusals.refuse(to_flags(pc.invert(inside)), Reason.OUTSIDE_SPAN, rule, values)
        return times

    def _refuse(self, name: str, values: pa.Array, times: pa.Array, refusals: Refusals) -> None:
        """Refuses the values that are no time."""
        missing = _is_missing(values)
        refusals.refuse(missing, Reason.MISSING_KEY, f"`{name}` must not be empty", values)
        bad, is_time = to_flags(pc.is_null(times)) & ~missing, _is_time(values)
        rule = f"`{name}` in {self.unit} must be from 1970 to 9999"
        refusals.refuse(bad & is_time, Reason.TIMESTAMP_OUT_OF_RANGE, rule, values)
        rule = f"`{name}` must be a whole number of {self.unit} or an ISO-8601 time"
        refusals.refuse(bad & ~is_time, Reason.BAD_TIMESTAMP, rule, values)

    def _read(self, values: pa.Array) -> pa.Array:
        """The times, null where there is none."""
        if types.is_date(values.type):
            is_days = types.is_date32(values.type)
            ticks = values.cast(pa.int32()) if is_days else values
            return _to_milliseconds(ticks.cast(pa.int64()), "d" if is_days else "ms")
        if types.is_timestamp(values.type):
            return _to_milliseconds(values.cast(pa.int64()), values.type.unit)
        scaled = _to_milliseconds(_read_whole(values), self.unit)
        if not is_text(values.type) or not scaled.null_count:
            return scaled
        return pc.coalesce(scaled, _within(_read_iso(values), _YEAR_10000 * 1000))


def _is_missing(values: pa.Array) -> Flags:
    missing = to_flags(pc.is_null(values, nan_is_null=True))
    if is_text(values.type):
        missing |= to_flags(pc.equal(pc.ascii_trim_whitespace(to_text(values)), ""))
    return missing


def _is_time(values: pa.Array) -> Flags:
    """Whether a value is a time at all, of whatever year."""
    if types.is_timestamp(values.type) or types.is_date(values.type):
        return to_flags(pc.is_valid(values))
    numbers, _ = parse_numbers(values)
    whole = to_flags(pc.and_(pc.is_finite(numbers), pc.equal(pc.floor(numbers), numbers)))
    return whole | to_flags(pc.is_valid(_read_iso(values))) if is_text(values.type) else whole


def _read_whole(values: pa.Array) -> pa.Array:
    try:
        return pc.cast(values, pa.int64())
    except pa.ArrowInvalid:
        numbers, _ = parse_numbers(values)
        # Above 2^53 a float64 is no longer exact.
        is_whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), 2.0**53))
        return pc.cast(pc.if_else(is_whole, numbers, pa.scalar(None, pa.float64())), pa.int64())


def _read_iso(values: pa.Array) -> pa.Array:
    text = pc.ascii_trim_whitespace(to_text(values))
    text = pc.replace_substring_regex(text, r"(\.\d{1,3})\d*", r"\1")
    nothing = pa.scalar(None, pa.string())
    local = pc.if_else(pc.match_substring_regex(text, _LOCAL), text, nothing)
    zoned = pc.if_else(pc.match_substring_regex(text, _ZONED), text, nothing)
    times = (
        pc.cast(_cast_or_null(local, pa.timestamp("ms")), pa.int64()),
        pc.cast(_cast_or_null(zoned, pa.timestamp("ms", "UTC")), pa.int64()),
    )
    return pc.coalesce(*times)


def _cast_or_null(text: pa.Array, type_: pa.DataType) -> pa.Array:
    """Casts what has the form of a time; 30 February, found by halving, becomes null."""
    try:
        return pc.cast(text, type_)
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.nulls(1, type_)
        half = len(text) // 2
        return pa.concat_arrays(
            [_cast_or_null(text[:half], type_), _cast_or_null(text[half:], type_)]
        )


def _to_milliseconds(ticks: pa.Array, unit: str) -> pa.Array:
    """Whole numbers in a unit as milliseconds; null outside 1970 to 9999, where they overflow."""
    end = _YEAR_10000 * 1000
    if unit in _MILLISECONDS:
        return pc.multiply(_within(ticks, end // _MILLISECONDS[unit]), _MILLISECONDS[unit])
    return pc.divide(_within(ticks, end * _A_MILLISECOND[unit]), _A_MILLISECOND[unit])


def _within(times: pa.Array, end: int) -> pa.Array:
    inside = pc.and_(pc.greater_equal(times, 0), pc.less(times, min(end, 2**63 - 1)))
    return pc.if_else(inside, times, pa.scalar(None, pa.int64()))
