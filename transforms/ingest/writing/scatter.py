"""Writes a piece of every row into one buffer at once, wherever the pieces begin.

NumPy moves items of one size between any places. A buffer seen through windows, one of so
many bytes at each of its bytes, so takes a piece of each row in one assignment.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.ingest.rows.arrays import Flags, Ints

Bytes = npt.NDArray[np.uint8]
Items = npt.NDArray[np.void]


def put(data: Bytes, starts: Ints, items: Items) -> None:
    """Writes an item of the same size for each row.

    Args:
        data: is written to.
        starts: place of each item, [n].
        items: [n].

    Example:
        >>> data = np.zeros(6, np.uint8)
        >>> put(data, np.array([4, 1]), np.array([b"ab", b"cd"], "V2"))
        >>> data.tobytes()
        b'\\x00cd\\x00ab'
    """
    if len(starts):
        windows(data, items.itemsize)[starts] = items


def copy(data: Bytes, starts: Ints, source: Bytes, places: Ints, sizes: Ints) -> None:
    """Copies a piece for each row.

    A piece of 2^k to 2^(k + 1) - 1 bytes is copied as its first and as its last 2^k bytes,
    so that a few sizes of windows do for all pieces.

    Args:
        data: is written to.
        starts: place of each piece, [n].
        source: is read from.
        places: of the pieces in it, [n].
        sizes: of the pieces, [n].

    Example:
        >>> data, text = np.zeros(5, np.uint8), np.frombuffer(b"abc", np.uint8)
        >>> copy(data, np.array([2, 0]), text, np.array([0, 2]), np.array([3, 1]))
        >>> data.tobytes()
        b'c\\x00abc'
    """
    exponents = np.frexp(sizes)[1]  # 2^(exponent - 1) <= size < 2^exponent
    for exponent in np.flatnonzero(np.bincount(exponents)).tolist():
        if exponent:
            width = 1 << (exponent - 1)
            rows = where(exponents == exponent)
            to, at, rest = starts[rows], places[rows], sizes[rows] - width
            put(data, to, windows(source, width)[at])
            put(data, to + rest, windows(source, width)[at + rest])


def windows(data: Bytes, size: int) -> Items:
    """An item of so many bytes at each byte of a buffer."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", data, 0, (1,))


def repeat(item: bytes, count: int) -> Items:
    """The same item so many times, [count]."""
    items = np.empty(count, f"V{len(item)}")
    items[:] = np.frombuffer(item, items.dtype)[0]
    return items


def within(items: Items, place: int, dtype: str) -> npt.NDArray[Any]:
    """What stands at a place in each item, [n], to be written to.

    Example:
        >>> items = repeat(b"ab", 3)
        >>> within(items, 1, "V1")[:] = np.array([b"x", b"y", b"z"], "V1")
        >>> items.tobytes()
        b'axayaz'
    """
    layout: Any = {
        "names": ["part"],
        "formats": [dtype],
        "offsets": [place],
        "itemsize": items.itemsize,
    }
    part: npt.NDArray[Any] = items.view(np.dtype(layout))["part"]
    return part


def where(flags: Flags) -> Ints | slice:
    """The places of the flags that are set; as a slice, which copies nothing, if all are."""
    return slice(None) if flags.all() else np.flatnonzero(flags)
