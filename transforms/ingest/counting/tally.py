"""Counters that workers fill and Beam adds up, in any order, to the same sum."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from transforms.ingest.rows.arrays import Ints

Key = tuple[str, ...]
_MAX_NAMES = 1000
OTHERS = "(others)"


@dataclass
class Tally:
    """Totals by key.

    Sums of labels are kept as fractions: adding floats in another order would give other
    last digits, and counts must not depend on the number of workers.

    Attributes:
        totals: key, such as ("impressions", "read"), -> sum.
        first: the earliest time, milliseconds.
        last: the latest.
        last_feedback: the latest time of any feedback that could be read, also of other spans.
        unreadable: file -> why.
    """

    totals: dict[Key, int | Fraction] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    last_feedback: int | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, *key: str, amount: int | Fraction = 1) -> None:
        """Adds to a total; the key is there from now on, even for an amount of 0."""
        self.totals[key] = self.totals.get(key, 0) + amount

    def add_name(self, kind: str, name: str, amount: int) -> None:
        """Adds to the total of a name that the logs chose; past 1,000 names to `(others)`."""
        is_new = (kind, name) not in self.totals
        is_full = is_new and sum(key[0] == kind for key in self.totals) >= _MAX_NAMES
        self.add(kind, OTHERS if is_full else name, amount=amount)

    def span(self, times: Ints) -> None:
        """Widens first and last to the times."""
        if len(times):
            self._widen(int(times.min()), int(times.max()))

    def see_feedback(self, times: Ints) -> None:
        """Widens `last_feedback` to the times."""
        if len(times):
            self.last_feedback = max(int(times.max()), self.last_feedback or 0)

    def count(self, *key: str) -> int:
        """A total that is a count."""
        return int(self.totals.get(key, 0))

    def under(self, *prefix: str) -> dict[str, int]:
        """The counts whose key is the prefix and one more word, by that word, sorted."""
        depth = len(prefix)
        keys = (k for k in self.totals if len(k) == depth + 1 and k[:depth] == prefix)
        return {key[depth]: int(self.totals[key]) for key in sorted(keys)}

    def merge(self, others: Iterable["Tally"]) -> "Tally":
        """Adds other tallies to this one."""
        for other in others:
            for key, amount in other.totals.items():
                self.add(*key, amount=amount)
            if other.first is not None and other.last is not None:
                self._widen(other.first, other.last)
            if other.last_feedback is not None:
                self.last_feedback = max(other.last_feedback, self.last_feedback or 0)
            self.unreadable |= other.unreadable
        return self

    def _widen(self, first: int, last: int) -> None:
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
