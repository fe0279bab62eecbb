"""Serialises checked and labelled impressions as tf.Examples, whole columns at a time.

tfx_bsl's encoder would do, but it writes the features of an example in an order that
changes from process to process, and the same logs must give the same bytes. This one
writes them in the order given; tests hold it against protobuf.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyarrow import types

from transforms.ingest.rows.arrays import Ints
from transforms.ingest.writing.number_entries import FloatEntries, IntEntries
from transforms.ingest.writing.pieces import Pieces, Prefixes
from transforms.ingest.writing.scatter import Bytes
from transforms.ingest.writing.text_entries import TextListEntries, text_entries
from transforms.ingest.writing.wire import first_field

_MAX_ROWS = 1 << 14
_BATCH_BYTES = 64 << 20


class Examples:
    """Rows as serialised tf.Examples.

    Args:
        columns: feature -> values, all of one length [n]: text and lists of text become
            bytes, float32 becomes float, int64 becomes int64. A null and an empty list are
            absent from the example.

    Attributes:
        sizes: bytes of each example, [n].

    Example:
        >>> example = Examples({"x": pa.array([1.0], pa.float32())})
        >>> data = np.zeros(example.sizes.sum(), np.uint8)
        >>> example.write(data, np.array([0]))
        >>> data.tobytes().hex()
        '0a0f0a0d0a0178120812060a040000803f'
    """

    def __init__(self, columns: dict[str, pa.Array]) -> None:
        entries = _make_entries(columns)
        contents: Ints = np.sum([part.sizes for part in entries], axis=0)
        head = Prefixes(contents, first_field)
        self._pieces: list[Pieces] = [head, *entries]
        self.sizes: Ints = head.sizes + contents

    def write(self, data: Bytes, starts: Ints) -> None:
        """Writes each example at its place, [n]."""
        for piece in self._pieces:
            piece.write(data, starts)
            starts = starts + piece.sizes


def encode_batches(examples: pa.RecordBatch) -> Iterator[Examples]:
    """Serialises examples, so many at a time as memory is meant for."""
    row_bytes = examples.nbytes // max(1, examples.num_rows) + 1
    size = max(1, min(_MAX_ROWS, _BATCH_BYTES // row_bytes))
    for start in range(0, examples.num_rows, size):
        rows = examples.slice(start, size)
        yield Examples(dict(zip(rows.schema.names, rows.columns, strict=True)))


def _make_entries(columns: dict[str, pa.Array]) -> list[Pieces]:
    """The entries in the order in which they are written: numbers that are never absent last."""
    entries: list[Pieces] = []
    floats: dict[str, pa.Array] = {}
    for name, column in columns.items():
        if types.is_string(column.type):
            entries.append(text_entries(name, column))
        elif types.is_list(column.type):
            entries.append(TextListEntries(name, column))
        elif types.is_int64(column.type):
            entries.append(IntEntries(name, column))
        else:
            assert types.is_float32(column.type), f"{name}: no tf.Example holds {column.type}"
            floats[name] = column
    whole = {name: column for name, column in floats.items() if not column.null_count}
    parts = [{name: column} for name, column in floats.items() if name not in whole]
    return entries + [FloatEntries(part) for part in (*parts, whole) if part]
