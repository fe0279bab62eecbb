"""The pieces of a serialised tf.Example, as columns of bytes.

A tf.Example is a map from names to features. On the wire each entry is

    0A <length of the entry>  0A <length of the name> <name>
                              12 <length of the feature>  <kind> <length of the list> <list>

where the kind is 0A for bytes, 12 for float and 1A for int64; see protobuf's encoding guide
and tensorflow/core/example/{example,feature}.proto. All but the values depends on lengths
only, so one prefix for each different length is made and taken for all rows.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.rows import Flags, Ints

Bytes = npt.NDArray[np.uint8]
_BYTES, _FLOAT, _INT64 = 0x0A, 0x12, 0x1A


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
    dense: list[Bytes] = []
    for name, column in columns.items():
        entry = _float_entries(name, column)
        if column.null_count:
            pieces += [_rows(np.hstack(dense))] if dense else []
            pieces.append(_rows(entry, column.is_valid().to_numpy(zero_copy_only=False)))
            dense = []
        else:
            dense.append(entry)
    return pieces + ([_rows(np.hstack(dense))] if dense else [])


def int64_pieces(name: str, column: pa.Array) -> list[pa.Array]:
    """Entries of an int64 column without negative numbers."""
    numbers = pc.fill_null(column, 0).to_numpy().astype(np.uint64)
    # [n, 10]: seven bits a byte, the lowest first
    groups = (numbers[:, None] >> (np.uint64(7) * np.arange(10, dtype=np.uint64))) & np.uint64(0x7F)
    lengths = 10 - np.argmax(groups[:, ::-1] > 0, axis=1)
    lengths[numbers == 0] = 1
    place = np.arange(10)
    groups[place < lengths[:, None] - 1] |= np.uint64(0x80)
    packed = np.zeros((len(numbers), 12), dtype=np.uint8)
    packed[:, 0], packed[:, 1], packed[:, 2:] = _BYTES, lengths, groups
    used = np.arange(12) < lengths[:, None] + 2
    used &= column.is_valid().to_numpy(zero_copy_only=False)[:, None]
    return _wrap(name, _INT64, _ragged(packed[used], used.sum(axis=1)))


def bytes_pieces(name: str, column: pa.Array) -> list[pa.Array]:
    """Entries of a text column."""

    def prefix(length: int) -> bytes:
        value = bytes([_BYTES]) + varint(length)
        return _entry_prefix(name, _BYTES, len(value) + length) + value

    return [by_length(pc.binary_length(column), prefix), column.cast(pa.binary())]


def bytes_list_pieces(name: str, column: pa.Array) -> list[pa.Array]:
    """Entries of a column of lists of text."""
    words = pc.list_flatten(column).cast(pa.binary())
    prefixes = by_length(pc.binary_length(words), lambda size: bytes([_BYTES]) + varint(size))
    values = pc.binary_join_element_wise(prefixes, words, b"")
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    sizes = np.concatenate([[0], np.cumsum(pc.binary_length(values).to_numpy())])
    ends = np.concatenate([[0], np.cumsum(counts)])
    data = b"".join(values.to_pylist()) if values.offset else values.buffers()[2]
    return _wrap(name, _BYTES, _ragged(data, np.diff(sizes[ends])))
