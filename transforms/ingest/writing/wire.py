"""The pieces of a serialised tf.Example, as columns of bytes.

A tf.Example is a map from names to features. On the wire each entry is

    0A <length of the entry>  0A <length of the name> <name>
                              12 <length of the feature>  <kind> <length of the list> <list>

where the kind is 0A for bytes, 12 for float and 1A for int64; see protobuf's encoding guide
and tensorflow/core/example/{example,feature}.proto. All but the values depends on lengths
only, so one prefix for each different length is made and taken for all rows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.rows.arrays import Flags

_BYTES, _FLOAT, _INT64 = 0x0A, 0x12, 0x1A
_FIRST_FIELD, _SECOND_FIELD = b"\x0a", b"\x12"


def varint(number: int) -> bytes:
    """Protobuf's variable-length integer.

    Example:
        >>> varint(300).hex()
        'ac02'
    """
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*result, number])


def by_length(lengths: pa.Array, make: Callable[[int], bytes]) -> pa.Array:
    """The bytes that `make` gives for each length; null stays null."""
    encoded = lengths.dictionary_encode()
    made = pa.array([make(length) for length in encoded.dictionary.to_pylist()], pa.binary())
    return made.take(encoded.indices)


def float_pieces(columns: dict[str, pa.Array]) -> list[pa.Array]:
    """Entries of float32 columns; neighbours without nulls become one piece."""
    pieces: list[pa.Array] = []
    dense: list[npt.NDArray[np.uint8]] = []
    for name, column in columns.items():
        entries = _float_entries(name, column)
        if not column.null_count:
            dense.append(entries)
            continue
        pieces.append(_rows(entries, column.is_valid().to_numpy(zero_copy_only=False)))
    if dense:
        entries = np.hstack(dense)
        pieces.append(_rows(entries, np.ones(len(entries), dtype=bool)))
    return pieces


def int64_pieces(name: str, column: pa.Array) -> list[pa.Array]:
    """Entries of an int64 column without negative numbers."""
    numbers = pc.fill_null(column, 0).to_numpy().astype(np.uint64)
    place = np.arange(10, dtype=np.uint64)
    # [n, 10]: seven bits a byte, the lowest first
    groups = (numbers[:, None] >> (np.uint64(7) * place)) & np.uint64(0x7F)
    lengths = np.where(numbers == 0, 1, 10 - np.argmax(groups[:, ::-1] > 0, axis=1))
    groups[place < lengths[:, None] - 1] |= np.uint64(0x80)
    packed = np.empty((len(numbers), 12), dtype=np.uint8)
    packed[:, 0], packed[:, 1], packed[:, 2:] = _FIRST_FIELD[0], lengths, groups
    lengths = np.where(column.is_valid().to_numpy(zero_copy_only=False), lengths + 2, 0)
    content = packed[np.arange(12) < lengths[:, None]]
    return _wrap(name, _INT64, _ragged(content.tobytes(), lengths))


def bytes_pieces(name: str, column: pa.Array) -> list[pa.Array]:
    """Entries of a text column."""

    def prefix(length: int) -> bytes:
        value = _FIRST_FIELD + varint(length)
        return _entry_prefix(name, _BYTES, len(value) + length) + value

    return [by_length(pc.binary_length(column), prefix), column.cast(pa.binary())]


def bytes_list_pieces(name: str, column: pa.Array) -> list[pa.Array]:
    """Entries of a column of lists of text."""
    words = pc.list_flatten(column).cast(pa.binary())
    prefixes = by_length(pc.binary_length(words), lambda size: _FIRST_FIELD + varint(size))
    values = pc.binary_join_element_wise(prefixes, words, b"")
    ends = np.cumsum(np.append(0, pc.fill_null(pc.list_value_length(column), 0).to_numpy()))
    sizes = np.cumsum(np.append(0, pc.binary_length(values).to_numpy()))
    return _wrap(name, _BYTES, _ragged(values.buffers()[2] or b"", np.diff(sizes[ends])))


def _float_entries(name: str, column: pa.Array) -> npt.NDArray[np.uint8]:
    """Whole entries of one float each, uint8 [n, size]; what stands at a null is void."""
    prefix = _entry_prefix(name, _FLOAT, 6) + b"\x0a\x04"
    entries = np.empty((len(column), len(prefix) + 4), dtype=np.uint8)
    entries[:, :-4] = np.frombuffer(prefix, np.uint8)
    values = pc.fill_null(column, 0.0).to_numpy().astype("<f4")
    entries[:, -4:] = values.view(np.uint8).reshape(-1, 4)
    return entries


def _entry_prefix(name: str, kind: int, content: int) -> bytes:
    """What stands before a list of so many bytes; see the module's docstring."""
    key = name.encode()
    listed = bytes([kind]) + varint(content)
    feature = _SECOND_FIELD + varint(len(listed) + content) + listed
    key = _FIRST_FIELD + varint(len(key)) + key
    return _FIRST_FIELD + varint(len(key) + len(feature) + content) + key + feature


def _wrap(name: str, kind: int, content: pa.Array) -> list[pa.Array]:
    """Puts the prefix before lists; an empty list has no entry."""
    sizes = pc.binary_length(content)
    sizes = pc.if_else(pc.equal(sizes, 0), pa.scalar(None, pa.int32()), sizes)
    return [by_length(sizes, lambda size: _entry_prefix(name, kind, size)), content]


def _rows(entries: npt.NDArray[np.uint8], exists: Flags) -> pa.Array:
    data = entries if exists.all() else entries[exists]
    return _ragged(data.tobytes(), exists * entries.shape[1])


def _ragged(data: Any, sizes: npt.NDArray[Any]) -> pa.Array:
    """Cuts a buffer into pieces of the given sizes, binary [n]."""
    ends = np.cumsum(np.append(0, sizes))
    assert ends[-1] < 1 << 31, f"{ends[-1]} bytes in one batch of examples: make it smaller"
    offsets = ends.astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(sizes), buffers)
