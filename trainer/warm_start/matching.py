"""An array of a base at its places in another ranker. Imports no TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainer.checkpoints.file import Array


class Match(NamedTuple):
    """Which place of a base's axis is which of the ranker's.

    Attributes:
        old: places in the base that are also in the ranker, [c].
        new: their places in the ranker, rising, [c].
        sizes: of both axes, the base's first.
    """

    old: Array
    new: Array
    sizes: tuple[int, int]

    @property
    def is_prefix(self) -> bool:
        """Whether nothing has moved or gone, though more may have come."""
        count = len(self.old)
        return count == self.sizes[0] and bool((self.old == self.new).all())

    def describe(self) -> dict[str, int]:
        """How many stayed, came and went.

        Example:
            >>> match_all(3).describe()
            {'kept': 3, 'new': 0, 'gone': 0}
        """
        kept = len(self.old)
        return {"kept": kept, "new": self.sizes[1] - kept, "gone": self.sizes[0] - kept}


def match_all(size: int) -> Match:
    """Of axes that are the same."""
    places = np.arange(size)
    return Match(places, places, (size, size))


def match_labels(base: pa.Array, own: pa.Array) -> Match:
    """By labels, all different on each side.

    Args:
        base: of the base's axis.
        own: of the ranker's.

    Example:
        >>> match = match_labels(pa.array(["a", "b", "c"]), pa.array(["c", "d", "a"]))
        >>> match.old.tolist(), match.new.tolist()
        ([2, 0], [0, 2])
    """
    places = pc.index_in(own, value_set=base)
    new = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
    old = places.drop_null().to_numpy(zero_copy_only=False)
    return Match(old.astype(np.int64), new, (len(base), len(own)))


def carry_over(base: Array, fresh: Array, matches: Sequence[Match]) -> Array | None:
    """The fresh array with what the base has of it; NaN in the base leaves it fresh.

    Args:
        base: of the earlier training.
        fresh: of the same rank.
        matches: of each axis.

    Returns:
        As `fresh`; None if nothing is the base's.

    Example:
        >>> match = match_labels(pa.array(["a", "b"]), pa.array(["c", "b"]))
        >>> carry_over(np.array([1.0, 2.0]), np.array([8.0, 9.0]), [match]).tolist()
        [8.0, 2.0]
    """
    taken = base[np.ix_(*(match.old for match in matches))]
    is_known = ~np.isnan(taken)
    if not is_known.any():
        return None
    there = np.ix_(*(match.new for match in matches))
    result = fresh.copy()
    result[there] = np.where(is_known, taken, result[there])
    return result


def fill_rows(table: Array, match: Match, is_word: Array, known: Array) -> Array:
    """The table with the mean of the base's words in the rows of words that it had not.

    Args:
        table: [rows, dim].
        match: of its rows.
        is_word: which rows are of words, [rows].
        known: the base's rows of words, [c, dim].
    """
    is_new = is_word.copy()
    is_new[match.new] = False
    if not len(known) or not is_new.any():
        return table
    filled = table.copy()
    filled[is_new] = known.mean(axis=0, dtype=np.float64)
    return filled
