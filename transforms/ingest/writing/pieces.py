"""Pieces of all rows at once: what depends on a length alone, and values behind it."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pyarrow as pa

from transforms.ingest.rows.arrays import Ints
from transforms.ingest.writing.scatter import Bytes, copy, put, repeat, where, windows, within

ABSENT = -1
"""The length of what is not there, not even with no bytes."""

_FEW_LENGTHS = 64
_MAX_COUNTED = 1 << 16


class Pieces(Protocol):
    """A piece of each row.

    Attributes:
        sizes: bytes of each piece, 0 where a row has none, [n].
    """

    sizes: Ints

    def write(self, data: Bytes, starts: Ints) -> None:
        """Writes each piece at its place, [n]."""
        ...


class Prefixes:
    """What stands before the values of all rows, made once for each length of a value.

    Args:
        lengths: of the values, [n].
        make: gives the bytes for a length.

    Attributes:
        lengths: those there are.
        made: the bytes for each of them.
        index: of each row, [n].

    Example:
        >>> data = np.zeros(3, np.uint8)
        >>> prefixes = Prefixes(np.array([2, 0, 1]), lambda length: b"x" * length)
        >>> prefixes.write(data, np.array([0, 2, 2]))
        >>> data.tobytes(), prefixes.sizes.tolist()
        (b'xxx', [2, 0, 1])
    """

    def __init__(self, lengths: Ints, make: Callable[[int], bytes]) -> None:
        found, self.index = _different(lengths)
        self.lengths: list[int] = found.tolist()
        self.made = [make(length) for length in self.lengths]
        self.sizes: Ints = np.array([len(made) for made in self.made], np.int64)[self.index]

    def write(self, data: Bytes, starts: Ints) -> None:
        """Writes each prefix at its place, [n]."""
        for size in sorted({len(made) for made in self.made if made}):
            rows = where(self.sizes == size)
            # A longer one is cut off here, but none of these rows has it.
            items = np.array([made[:size] for made in self.made], f"V{size}")
            put(data, starts[rows], items[self.index[rows]])


class Values:
    """The values of a column of text or bytes, each behind a prefix.

    Args:
        column: text or binary, [n].
        prefix: gives what stands before a value of so many bytes. A null has none.
    """

    def __init__(self, column: pa.Array, prefix: Callable[[int], bytes] = lambda _: b"") -> None:
        _, offsets, data = column.buffers()
        ends = np.frombuffer(offsets or b"", np.int32)[column.offset :][: len(column) + 1]
        self._source: Bytes = np.frombuffer(data or b"", np.uint8)
        self._places = ends[:-1].astype(np.int64)
        lengths = np.diff(ends).astype(np.int64)
        if column.null_count:
            lengths[column.is_null().to_numpy(zero_copy_only=False)] = ABSENT
        self._prefixes = Prefixes(lengths, lambda n: b"" if n == ABSENT else prefix(n))
        self._lengths = np.maximum(lengths, 0)
        self.sizes: Ints = self._prefixes.sizes + self._lengths

    def write(self, data: Bytes, starts: Ints) -> None:
        """Writes each prefix and value at their place, [n]."""
        if len(self._prefixes.lengths) <= _FEW_LENGTHS:
            self._write_by_length(data, starts)
        else:
            self._prefixes.write(data, starts)
            starts = starts + self._prefixes.sizes
            copy(data, starts, self._source, self._places, self._lengths)

    def _write_by_length(self, data: Bytes, starts: Ints) -> None:
        """Those of one length are equal but for the value: puts both together, then there."""
        prefixes = self._prefixes
        for number, (length, made) in enumerate(zip(prefixes.lengths, prefixes.made, strict=True)):
            if made or length > 0:
                rows = where(prefixes.index == number)
                values = windows(self._source, length)[self._places[rows]]
                items = repeat(made + bytes(length), len(values))
                within(items, len(made), f"V{length}")[:] = values
                put(data, starts[rows], items)


def _different(lengths: Ints) -> tuple[Ints, Ints]:
    """The different lengths, rising, and the place of each row's among them, [n]."""
    if lengths.max(initial=0) > _MAX_COUNTED:
        return np.unique(lengths, return_inverse=True)
    counts = np.bincount(lengths - ABSENT)
    numbers = np.cumsum(counts > 0) - 1
    return np.flatnonzero(counts) + ABSENT, numbers[lengths - ABSENT]
