"""The last words of many keys at once, as pieces of one long row of words."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.history.sums import Timeline
from transforms.ingest.rows.arrays import Ints

Codes = npt.NDArray[np.int32]


class Shown(NamedTuple):
    """Impressions that belong into sequences.

    Attributes:
        code: of the key, int64 [m].
        known: since when they do, milliseconds, int64 [m].
        time: of the impression, int64 [m].
        words: column -> its words, text [m]; null where there is none.
    """

    code: Ints
    known: Ints
    time: Ints
    words: dict[str, pa.Array]


class Sequences:
    """The words of keys, by rising (key, time when known, time of the impression, words).

    Args:
        timeline: of all times.
        keys: how many keys there are.
        before: column -> what was carried on of the keys `codes`, the latest first, lists.
        codes: of the keys with something carried on, rising.
        shown: what there is beside, by rising time.
    """

    def __init__(
        self,
        timeline: Timeline,
        keys: int,
        before: dict[str, pa.ListArray],
        codes: Ints,
        shown: Shown,
    ) -> None:
        carried = _flatten(before, codes)
        words = {
            name: pc.fill_null(pa.concat_arrays([carried.words[name], column]), "")
            for name, column in shown.words.items()
        }
        number = np.append(timeline.start(carried.code), timeline.at(shown.code, shown.known))
        time = np.append(carried.time, shown.time)
        order = np.argsort(number, kind="stable")
        encoded = {name: column.dictionary_encode() for name, column in words.items()}
        _break_ties(order, number, time, encoded)
        self._number = number[order]
        self._known = np.append(carried.known, shown.known)[order]
        self._code = np.append(carried.code, shown.code)[order]
        self._first = np.searchsorted(self._code, np.arange(keys))
        self._words = {name: column.dictionary for name, column in encoded.items()}
        self._codes = {name: column.indices.to_numpy()[order] for name, column in encoded.items()}

    def ends(self, number: Ints) -> Ints:
        """How many impressions of all keys are before numbers of the timeline, [n]."""
        return np.searchsorted(self._number, number)

    def ends_at(self, time: int) -> Ints:
        """The same for each key at a time up to which all is known, [keys]."""
        known = np.bincount(self._code[self._known <= time], minlength=len(self._first))
        ends: Ints = self._first + known
        return ends

    def lists(self, column: str, code: Ints, end: Ints, length: int) -> pa.ListArray:
        """The last words of keys before ends, the latest first.

        Args:
            column: whose words.
            code: of the keys, [n].
            end: see `ends`, rising, [n].
            length: how many words at most.

        Returns:
            [n] lists of a dictionary that has no other words.
        """
        sizes = np.minimum(end - self._first[code], length)
        # Lists of a key overlap. Of what they share one copy is enough to cut them out of.
        fresh = np.minimum(end - np.append(0, end)[:-1], sizes)
        copied = np.cumsum(fresh)
        places = np.repeat(end - copied, fresh) + np.arange(fresh.sum())
        codes, words = _only_used(self._codes[column][places], self._words[column])
        # From the latest to the first, so that a list is a piece of it.
        padded = np.append(codes[::-1], np.zeros(length, np.int32))
        pieces = np.lib.stride_tricks.sliding_window_view(padded, length)
        found = pieces[len(codes) - copied]  # [n, length]
        if (sizes < length).any():
            found = found[np.arange(length) < sizes[:, np.newaxis]]
        offsets = np.append(0, np.cumsum(sizes)).astype(np.int32)
        values = pa.DictionaryArray.from_arrays(pa.array(found.ravel()), words)
        return pa.ListArray.from_arrays(pa.array(offsets), values)


def _only_used(codes: Codes, words: pa.Array) -> tuple[Codes, pa.Array]:
    """The same codes for fewer words."""
    if len(codes) < len(words):
        used, places = np.unique(codes, return_inverse=True)
        return places.astype(np.int32), words.take(pa.array(used))
    is_used = np.zeros(len(words), dtype=bool)
    is_used[codes] = True
    number = np.cumsum(is_used, dtype=np.int32) - np.int32(1)
    return number[codes], words.filter(pa.array(is_used))


def _flatten(before: dict[str, pa.ListArray], codes: Ints) -> Shown:
    """What was carried on, one row a word, from the first to the latest."""
    lists = next(iter(before.values()))
    sizes = lists.value_lengths().to_numpy()
    ends = np.cumsum(sizes)
    code = np.repeat(codes, sizes)
    # Times that only keep them in this order, before all others.
    time = np.arange(len(code)) - len(code)
    places = np.repeat(2 * ends - sizes - 1, sizes) - np.arange(len(code))
    words = {name: column.flatten().take(pa.array(places)) for name, column in before.items()}
    return Shown(code, np.full(len(code), -1), time, words)


def _break_ties(
    order: Ints, number: Ints, time: Ints, encoded: dict[str, pa.DictionaryArray]
) -> None:
    """Sorts impressions of the same moment, in place, by their words."""
    is_tie = (np.diff(number[order]) == 0) & (np.diff(time[order]) == 0)
    if not is_tie.any():
        return
    tied = np.flatnonzero(np.append(is_tie, False) | np.append(False, is_tie))
    rows, group = order[tied], np.cumsum(np.append(True, ~is_tie))[tied]
    ranks = [_ranks(column)[rows] for _, column in sorted(encoded.items(), reverse=True)]
    order[tied] = rows[np.lexsort((*ranks, group))]


def _ranks(column: pa.DictionaryArray) -> Ints:
    """The place of each word among all words by the alphabet, [m]."""
    order = pc.sort_indices(column.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    ranks: Ints = rank[column.indices.to_numpy()]
    return ranks
