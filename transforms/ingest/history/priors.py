"""The mean of each label over all impressions, hour by hour: what is known of a new key."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from transforms.ingest.rows.arrays import Floats, Ints

HOUR = 3_600_000

# A 32-bit float is a whole number of 24 digits times a power of two in between.
_DIGITS, _BIAS, _EXPONENTS = 24, 256, 512


class Bin(NamedTuple):
    """The labels of a task that became known in one hour.

    Attributes:
        task: the task.
        is_late: of impressions later than the history that ingestion started from.
        hour: since the epoch.
    """

    task: str
    is_late: bool
    hour: int


@dataclass
class Totals:
    """Numbers and sums of labels by the hour in which they became known.

    Sums are fractions, so that they do not depend on the order of the workers.

    Attributes:
        bins: bin -> (number, sum).
        last: the latest impression, milliseconds; -1 without any.
    """

    bins: dict[Bin, tuple[int, Fraction]] = field(default_factory=dict)
    last: int = -1

    def add(self, key: Bin, number: int, total: Fraction) -> None:
        """Adds to a bin."""
        before, sum_before = self.bins.get(key, (0, Fraction(0)))
        self.bins[key] = (before + number, sum_before + total)

    def add_labels(self, task: str, label: Floats, time: Ints, known: Ints, until: int) -> None:
        """Adds labels [n], known at the times `known`, of impressions at `time`."""
        for is_late in (False, True):
            rows = (time > until) == is_late
            hours, place = np.unique(known[rows] // HOUR, return_inverse=True)
            numbers = np.bincount(place, minlength=len(hours))
            sums = exact_sums(place, label[rows], len(hours))
            for hour, number, total in zip(hours, numbers, sums, strict=True):
                self.add(Bin(task, is_late, int(hour)), int(number), total)

    def merge(self, others: Iterable["Totals"]) -> "Totals":
        """Adds other totals to this one, and gives this one."""
        for other in others:
            for key, (number, total) in other.bins.items():
                self.add(key, number, total)
            self.last = max(self.last, other.last)
        return self

    def prior(self, task: str, time: Ints, is_late: bool) -> Floats:
        """The mean label known before the hours of the times began; NaN if none was, [n]."""
        hours, means = self._means(task, is_late)
        place = np.searchsorted(hours, time // HOUR, side="left")
        prior: Floats = np.append(np.nan, means)[place]
        return prior

    def _means(self, task: str, is_late: bool) -> tuple[Ints, Floats]:
        """Rising hours, and the mean of all that was known at the end of each."""
        hours = sorted(key.hour for key in self.bins if key[:2] == (task, is_late))
        number, total, means = 0, Fraction(0), []
        for hour in hours:
            more, sum_more = self.bins[Bin(task, is_late, hour)]
            number, total = number + more, total + sum_more
            means.append(float(total / number))
        return np.array(hours, np.int64), np.array(means, np.float64)


def exact_sums(place: Ints, values: Floats, size: int) -> list[Fraction]:
    """The sums of 32-bit floats at each place, without any rounding.

    Values of the same exponent are added up as whole numbers.

    Example:
        >>> exact_sums(np.array([0, 0]), np.array([2.0**100, 1.0]), 1) == [2**100 + 1]
        True
    """
    sums = [Fraction(0)] * size
    fraction, exponent = np.frexp(values)
    groups, group = np.unique(place * _EXPONENTS + exponent + _BIAS, return_inverse=True)
    wholes = np.bincount(group, weights=np.ldexp(fraction, _DIGITS), minlength=len(groups))
    for at, whole in zip(groups.tolist(), wholes.tolist(), strict=True):
        number, biased = divmod(at, _EXPONENTS)
        sums[number] += Fraction(int(whole)) * Fraction(2) ** (biased - _BIAS - _DIGITS)
    return sums
