"""Entries of numbers, of all rows at once."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.rows.arrays import Ints
from transforms.ingest.writing.scatter import Bytes, put, repeat, where, within
from transforms.ingest.writing.wire import FLOAT, INT64, entry_prefix, first_field

Unsigned = npt.NDArray[np.uint64]

_MAX_VARINT = 10
_FLOAT_BYTES = 4


class IntEntries:
    """The entries of a column of int64; a null has none.

    Args:
        name: of the feature.
        column: int64, [n].
    """

    def __init__(self, name: str, column: pa.Array) -> None:
        # A negative number is written as the unsigned number of the same bits.
        self._numbers: Unsigned = pc.fill_null(column, 0).to_numpy().view(np.uint64)
        self._lengths = _varint_lengths(self._numbers)
        if column.null_count:
            self._lengths[column.is_null().to_numpy(zero_copy_only=False)] = 0
        lengths = range(1, _MAX_VARINT + 1)
        self._prefixes = [b"", *(_value_prefix(name, INT64, length) for length in lengths)]
        sizes = [len(prefix) + length for length, prefix in enumerate(self._prefixes)]
        self.sizes: Ints = np.array(sizes)[self._lengths]

    def write(self, data: Bytes, starts: Ints) -> None:
        """Writes each entry at its place, [n]."""
        for length in np.flatnonzero(np.bincount(self._lengths)).tolist():
            if length:
                rows, prefix = where(self._lengths == length), self._prefixes[length]
                numbers = self._numbers[rows]
                entries = repeat(prefix + bytes(length), len(numbers))
                for place, group in enumerate(_varint_groups(numbers, length), len(prefix)):
                    within(entries, place, "u1")[:] = group
                put(data, starts[rows], entries)


class FloatEntries:
    """The entries of columns of float32, those of a row one after the other.

    Args:
        columns: feature -> float32 [n]. One that has nulls, which have no entry, is alone.
    """

    def __init__(self, columns: dict[str, pa.Array]) -> None:
        self._columns = list(columns.values())
        self._rows: Ints | slice = slice(None)
        if any(column.null_count for column in self._columns):
            assert len(columns) == 1, f"{list(columns)}: one that has nulls must be alone"
            self._rows = np.flatnonzero(self._columns[0].is_valid().to_numpy(zero_copy_only=False))
        self._prefixes = [_value_prefix(name, FLOAT, _FLOAT_BYTES) for name in columns]
        self.sizes: Ints = np.zeros(len(self._columns[0]), np.int64)
        self.sizes[self._rows] = sum(len(prefix) + _FLOAT_BYTES for prefix in self._prefixes)

    def write(self, data: Bytes, starts: Ints) -> None:
        """Writes the entries of each row at their place, [n]."""
        starts, void = starts[self._rows], bytes(_FLOAT_BYTES)
        entries = repeat(b"".join(prefix + void for prefix in self._prefixes), len(starts))
        place = 0
        for prefix, column in zip(self._prefixes, self._columns, strict=True):
            place += len(prefix)
            numbers = column.drop_null() if column.null_count else column
            within(entries, place, "<f4")[:] = numbers.to_numpy()
            place += _FLOAT_BYTES
        put(data, starts, entries)


def _value_prefix(name: str, kind: int, length: int) -> bytes:
    """What stands before a list of one number of so many bytes."""
    value = first_field(length)
    return entry_prefix(name, kind, len(value) + length) + value


def _varint_lengths(numbers: Unsigned) -> Ints:
    """How many groups of seven bits each number has, at least one, [n]."""
    lengths = np.ones(len(numbers), np.int64)
    for bits in range(7, int(numbers.max(initial=0)).bit_length(), 7):
        lengths += numbers >= np.uint64(1 << bits)
    return lengths


def _varint_groups(numbers: Unsigned, length: int) -> Iterator[Bytes]:
    """The bytes of the numbers as variable-length integers, the first of all, then the second."""
    for place in range(length):
        group = (numbers >> np.uint64(7 * place)).astype(np.uint8) & np.uint8(0x7F)
        yield group if place == length - 1 else group | np.uint8(0x80)
