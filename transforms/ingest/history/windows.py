"""Sums over a window of the past: whole steps of it are kept, not what happened in them.

Steps are counted since the epoch. At a time in step q a window of W steps sees what became
known before that time in the steps q - W + 1 to q, so it reaches back between W - 1 and W
steps, and of a key no more than W sums have to be carried on.
"""

from typing import NamedTuple, Self

import numpy as np

from transforms.history_features import WINDOW_STEPS
from transforms.ingest.history.sums import Timeline, running_sums
from transforms.ingest.rows.arrays import Floats, Ints


class Steps(NamedTuple):
    """What keys have in some steps.

    Attributes:
        code: of the key, int64 [m].
        step: the steps, int64 [m]; of a key rising.
        number: how many values, int64 [m].
        sum: of the values, [m].
    """

    code: Ints
    step: Ints
    number: Ints
    sum: Floats


class WindowSums(NamedTuple):
    """Values of keys by rising (key, time when known), and their sums within their step.

    Attributes:
        width: of a step, milliseconds.
        code: of the key, int64 [m].
        at: on the timeline, int64 [m].
        known: milliseconds, int64 [m]; -1 for a sum that was carried on.
        step: int64 [m].
        number: how many values of the step there are up to here, int64 [m].
        sum: their sum, [m].
        start: place of the step's first value, int64 [m].
    """

    width: int
    code: Ints
    at: Ints
    known: Ints
    step: Ints
    number: Ints
    sum: Floats
    start: Ints

    @classmethod
    def of(
        cls,
        timeline: Timeline,
        width: int,
        before: Steps,
        code: Ints,
        known: Ints,
        number: Ints,
        values: Floats,
    ) -> Self:
        """Puts values [m], by rising (key, time), behind what was carried on."""
        codes = np.append(before.code, code)
        at = np.append(timeline.start(before.code), timeline.at(code, known))
        order = np.argsort(at, kind="stable")
        codes = codes[order]
        steps = np.append(before.step, known // width)[order]
        is_first = (np.diff(codes, prepend=-1) != 0) | (np.diff(steps, prepend=-1) != 0)
        starts = np.flatnonzero(is_first)
        return cls(
            width,
            codes,
            at[order],
            np.append(np.full(len(before.code), -1), known)[order],
            steps,
            _whole_sums(starts, np.append(before.number, number)[order]),
            running_sums(starts, np.append(before.sum, values)[order]),
            starts[np.cumsum(is_first) - 1] if len(starts) else starts,
        )

    def before(self, code: Ints, time: Ints, at: Ints) -> tuple[Ints, Floats]:
        """Number and sum of the values that the window sees at times of keys, each [n]."""
        oldest = time // self.width - WINDOW_STEPS + 1
        numbers, sums = np.zeros(len(code), np.int64), np.zeros(len(code))
        place = np.searchsorted(self.at, at) - 1
        rows = np.flatnonzero(place >= 0)
        place = place[rows]
        while len(rows):
            # The value at place -1 is the last of all, which is no one's past.
            inside = (place >= 0) & (self.code[place] == code[rows])
            inside &= self.step[place] >= oldest[rows]
            rows, place = rows[inside], place[inside]
            numbers[rows] += self.number[place]
            sums[rows] += self.sum[place]
            place = self.start[place] - 1
        return numbers, sums

    def steps_at(self, time: int) -> Steps:
        """What a window sees after a time of all that is known then."""
        known = np.flatnonzero(self.known <= time)
        code, step = self.code[known], self.step[known]
        is_last = (np.diff(code, append=-1) != 0) | (np.diff(step, append=-1) != 0)
        is_last &= step >= (time + 1) // self.width - WINDOW_STEPS + 1
        rows = known[is_last]
        return Steps(self.code[rows], self.step[rows], self.number[rows], self.sum[rows])


def _whole_sums(starts: Ints, numbers: Ints) -> Ints:
    return running_sums(starts, numbers.astype(np.float64)).astype(np.int64)
