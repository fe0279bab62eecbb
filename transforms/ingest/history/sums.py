"""Sums over what came before, for many keys at once: sorting, doubling steps, binary search."""

from typing import NamedTuple

import numpy as np

from transforms.ingest.rows.arrays import Floats, Ints


class Timeline(NamedTuple):
    """Times of many keys as single numbers: key after key, inside a key by time.

    Attributes:
        moments: all times there are, rising.
    """

    moments: Ints

    def at(self, segment: Ints, time: Ints) -> Ints:
        """The numbers of times of segments; equal times have equal numbers."""
        return self.start(segment) + np.searchsorted(self.moments, time)

    def after(self, segment: Ints, time: int) -> Ints:
        """The numbers that are greater than all numbers of a segment up to a time."""
        place: Ints = self.start(segment) + np.searchsorted(self.moments, time, side="right")
        return place

    def start(self, segment: Ints) -> Ints:
        """The number before which there is nothing of a segment."""
        return segment * (len(self.moments) + 1)


class Sums:
    """Answers how many values of a segment come before a moment, and their sum.

    Args:
        timeline: of all times.
        segment: of each value, int64 [m].
        time: of each value, int64 [m].
        values: [m]; those of equal times are added up in this order.
    """

    def __init__(self, timeline: Timeline, segment: Ints, time: Ints, values: Floats) -> None:
        numbers = timeline.at(segment, time)
        order = np.argsort(numbers, kind="stable")
        self._timeline = timeline
        self._numbers = numbers[order]
        self._sums = sums_within(segment[order], values[order])

    def before(self, segment: Ints, number: Ints) -> tuple[Ints, Floats]:
        """Number and sum of the values before a number of the timeline, each [n]."""
        first = np.searchsorted(self._numbers, self._timeline.start(segment))
        end = np.searchsorted(self._numbers, number)
        sums = np.append(self._sums, 0.0)[np.where(end > first, end - 1, -1)]
        return end - first, sums


def sums_within(segment: Ints, values: Floats) -> Floats:
    """Sums of the values of a segment up to and with each place, [m].

    Doubling steps (Hillis and Steele, 1986) keep each segment's sums to themselves: a running
    sum over all would lose the digits of one key in the large numbers of another.

    Example:
        >>> sums_within(np.array([0, 0, 0, 4]), np.array([1.0, 2.0, 3.0, 5.0])).tolist()
        [1.0, 3.0, 6.0, 5.0]
    """
    sums, step = values.astype(np.float64), 1
    while step < len(sums):
        same = segment[step:] == segment[:-step]
        if not same.any():
            break
        more = np.where(same, sums[:-step], 0.0)
        sums[step:] += more
        step *= 2
    return sums
