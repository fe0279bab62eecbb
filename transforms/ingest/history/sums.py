"""Times of many keys on one line, and running sums that can be taken up where they ended."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from transforms.ingest.rows.arrays import Floats, Ints

_SHORT = 64


class Timeline(NamedTuple):
    """Times of many keys as single numbers: key after key, inside a key by time.

    Attributes:
        first: the earliest time there is, milliseconds.
        width: how many numbers a key has.
        moments: all times there are, rising, if single milliseconds would be too many numbers.
    """

    first: int
    width: int
    moments: Ints | None

    @classmethod
    def of(cls, times: Sequence[Ints], keys: int) -> Self:
        """The line of some times, of so many keys."""
        there = [some for some in times if len(some)]
        first = min((int(some.min()) for some in there), default=0)
        last = max((int(some.max()) for some in there), default=0)
        width = last - first + 2
        if keys * width < 2**62:
            return cls(first, width, None)
        moments = np.unique(np.concatenate(there))
        return cls(first, len(moments) + 1, moments)

    def at(self, code: Ints, time: Ints) -> Ints:
        """The numbers of times of keys [n]; greater than the start of the key."""
        if self.moments is None:
            return code * self.width + (time - self.first + 1)
        numbers: Ints = code * self.width + np.searchsorted(self.moments, time) + 1
        return numbers

    def start(self, code: Ints) -> Ints:
        """The numbers before which there is nothing of a key, [n]."""
        return code * self.width


class Sums(NamedTuple):
    """Labels of keys by rising (key, time when known), and their sums so far.

    Attributes:
        code: of the key, int64 [m].
        number: on the timeline, int64 [m].
        known: milliseconds, int64 [m].
        label: [m].
        first: place of the first label of each key, int64 [keys].
        sum: of the key's labels up to and with this one, [m].
    """

    code: Ints
    number: Ints
    known: Ints
    label: Floats
    first: Ints
    sum: Floats

    @classmethod
    def of(cls, timeline: Timeline, code: Ints, known: Ints, label: Floats, before: Floats) -> Self:
        """Sorts labels [m], and goes on adding from the sums before them, [keys].

        The sums are those of one long addition from left to right, whatever part of it was
        done `before`: equal to the last bit.
        """
        number = timeline.at(code, known)
        order = np.argsort(number, kind="stable")
        if not _adds_up_exactly(label):
            order = _by_value(order, number, label)
        code, label = code[order], label[order]
        first = np.searchsorted(code, np.arange(len(before)))
        starts = np.flatnonzero(np.diff(code, prepend=-1))
        sums = label.copy()
        sums[starts] += before[code[starts]]
        return cls(code, number[order], known[order], label, first, running_sums(starts, sums))

    def until(self, time: int) -> tuple[Ints, Ints]:
        """How many labels of each key are known up to a time, and where they end, [keys]."""
        counts = np.bincount(self.code[self.known <= time], minlength=len(self.first))
        return counts, self.first + counts

    def at_end(self, end: Ints, code: Ints, before: Floats) -> Floats:
        """The sum of a key's labels before a place, or what there was before them, [n]."""
        sums: Floats = np.where(
            end > self.first[code], np.append(self.sum, 0.0)[end - 1], before[code]
        )
        return sums


def running_sums(starts: Ints, values: Floats) -> Floats:
    """Sums of the values of a segment up to and with each place, added from left to right.

    Long segments one after the other, short ones side by side, a place at a time.

    Args:
        starts: first place of each segment, rising from 0, [s].
        values: [m].

    Example:
        >>> running_sums(np.array([0, 3]), np.array([1.0, 2.0, 3.0, 5.0])).tolist()
        [1.0, 3.0, 6.0, 5.0]
    """
    sums = values.astype(np.float64)
    sizes = np.diff(np.append(starts, len(values)))
    is_long = sizes > _SHORT
    for start, size in zip(starts[is_long].tolist(), sizes[is_long].tolist(), strict=True):
        sums[start : start + size] = np.add.accumulate(sums[start : start + size])
    starts, sizes = starts[~is_long], sizes[~is_long]
    order = np.argsort(-sizes, kind="stable")
    starts, falling = starts[order], -sizes[order]
    for step in range(1, int(sizes.max(initial=0))):
        places = starts[: np.searchsorted(falling, -step)] + step
        sums[places] += sums[places - 1]
    return sums


def _adds_up_exactly(values: Floats) -> bool:
    """Whether the order in which they are added can make no difference: whole numbers."""
    return bool((np.rint(values) == values).all()) and float(np.abs(values).sum()) < 2.0**53


def _by_value(order: Ints, number: Ints, label: Floats) -> Ints:
    """The same order, but labels of the same number by their value."""
    is_tie = np.diff(number[order]) == 0
    tied = np.flatnonzero(np.append(is_tie, False) | np.append(False, is_tie)[: len(order)])
    rows = order[tied]
    order[tied] = rows[np.lexsort((label[rows], number[rows]))]
    return order
