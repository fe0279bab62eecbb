"""Entries of text and of lists of text, of all rows at once."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.rows.arrays import Ints
from transforms.ingest.writing.pieces import Prefixes, Values
from transforms.ingest.writing.scatter import Bytes
from transforms.ingest.writing.wire import BYTES, entry_prefix, first_field


def text_entries(name: str, column: pa.Array) -> Values:
    """The entries of a column of text; a null has none.

    Args:
        name: of the feature.
        column: text, [n].
    """

    def prefix(length: int) -> bytes:
        value = first_field(length)
        return entry_prefix(name, BYTES, len(value) + length) + value

    return Values(column, prefix)


class TextListEntries:
    """The entries of a column of lists of text; a null and an empty list have none.

    Args:
        name: of the feature.
        column: lists of text without nulls inside, [n].
    """

    def __init__(self, name: str, column: pa.Array) -> None:
        def prefix(length: int) -> bytes:
            return entry_prefix(name, BYTES, length) if length else b""

        words = pc.list_flatten(column)
        assert not words.null_count, f"{name}: no tf.Example holds a list with a null"
        self._words = Values(words, first_field)
        self._counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        ends = np.append(0, np.cumsum(self._words.sizes))  # [words + 1]
        bounds = ends[np.append(0, np.cumsum(self._counts))]  # [n + 1]
        # Where each word stands in the list of its row.
        self._insides = ends[:-1] - np.repeat(bounds[:-1], self._counts)
        self._prefixes = Prefixes(np.diff(bounds), prefix)
        self.sizes: Ints = self._prefixes.sizes + np.diff(bounds)

    def write(self, data: Bytes, starts: Ints) -> None:
        """Writes each entry at its place, [n]."""
        self._prefixes.write(data, starts)
        lists = starts + self._prefixes.sizes
        self._words.write(data, np.repeat(lists, self._counts) + self._insides)
