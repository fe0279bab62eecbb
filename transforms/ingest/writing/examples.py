"""Serialises checked and labelled impressions as tf.Examples, whole columns at a time.

tfx_bsl's encoder would do, but it writes the features of an example in an order that
changes from process to process, and the same logs must give the same bytes. This one
writes them in the order given; tests hold it against tfx_bsl's decoder.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from transforms.ingest.writing.wire import (
    by_length,
    bytes_list_pieces,
    bytes_pieces,
    float_pieces,
    int64_pieces,
    varint,
)

_MAX_ROWS = 1 << 14
_BATCH_BYTES = 64 << 20


def encode_examples(columns: dict[str, pa.Array]) -> pa.Array:
    """Serialises rows as tf.Examples.

    Args:
        columns: feature -> values, all of one length [n]: text and lists of text become
            bytes, float32 becomes float, int64 (not negative) becomes int64. A null and an
            empty list are absent from the example.

    Returns:
        Binary [n].

    Example:
        >>> encode_examples({"x": pa.array([1.0], pa.float32())})[0].as_py().hex()
        '0a0f0a0d0a0178120812060a040000803f'
    """
    floats = {name: c for name, c in columns.items() if types.is_float32(c.type)}
    pieces: list[pa.Array] = []
    for name, column in columns.items():
        if types.is_string(column.type):
            pieces += bytes_pieces(name, column)
        elif types.is_list(column.type):
            pieces += bytes_list_pieces(name, column)
        elif types.is_int64(column.type):
            pieces += int64_pieces(name, column)
        else:
            assert name in floats, f"{name}: no tf.Example holds {column.type}"
    pieces += float_pieces(floats)
    sizes = sum(pc.fill_null(pc.binary_length(p), 0).to_numpy().astype(np.int64) for p in pieces)
    head = by_length(pa.array(sizes), lambda size: b"\x0a" + varint(size))
    return pc.binary_join_element_wise(
        head, *pieces, b"", null_handling="replace", null_replacement=b""
    )


def encode_batches(examples: pa.RecordBatch) -> Iterator[pa.Array]:
    """Serialises examples, so many at a time as memory is meant for."""
    row_bytes = examples.nbytes // max(1, examples.num_rows) + 1
    size = max(1, min(_MAX_ROWS, _BATCH_BYTES // row_bytes))
    for start in range(0, examples.num_rows, size):
        rows = examples.slice(start, size)
        yield encode_examples(dict(zip(rows.schema.names, rows.columns, strict=True)))
