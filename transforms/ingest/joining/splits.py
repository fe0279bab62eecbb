"""Which examples the model never sees in training."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.examples import REQUEST_ID, TIMESTAMP, USER_ID
from transforms.ingest.rows.arrays import Flags, Ints
from transforms.ingest.rows.hashing import hash_text
from transforms.logs import Split

MAX_BINS = 1 << 20
_KEYS = {"user": USER_ID, "request": REQUEST_ID}


def flag_eval(rows: pa.RecordBatch, split: Split, eval_from: int | None) -> Flags:
    """Flags the rows of the eval split.

    By user or request: hash(salt, key) / 2^64 < eval_fraction, with `hashing.hash_text`.

    Args:
        rows: [n].
        split: the rule.
        eval_from: by time: the first millisecond of the eval split.
    """
    if split.by == "time":
        assert eval_from is not None
        later: Flags = rows.column(TIMESTAMP).to_numpy() >= eval_from
        return later
    hashes = hash_text(rows.column(_KEYS[split.by]), split.salt)
    return hashes < np.uint64(int(split.eval_fraction * 2.0**64))


@dataclass
class Times:
    """A histogram of times whose bins widen until there are at most a million.

    The bins of a sum are as wide as its times alone demand, however they were grouped
    before, so the threshold does not depend on the number of workers. Up to a million
    different milliseconds it is exact.

    Attributes:
        width: of a bin, milliseconds, a power of 2.
        bins: time // width, rising.
        counts: rows in each.
        last: the latest time.
    """

    width: int
    bins: Ints
    counts: npt.NDArray[np.int64]
    last: int

    @classmethod
    def of(cls, times: Ints) -> "Times":
        """The histogram of some times."""
        bins, counts = np.unique(times, return_counts=True)
        return cls(1, bins, counts, int(times.max(initial=-1)))._narrowed()

    def plus(self, other: "Times") -> "Times":
        """The histogram of both."""
        width = max(self.width, other.width)
        bins = np.concatenate([t.bins // (width // t.width) for t in (self, other)])
        counts = np.concatenate([self.counts, other.counts])
        merged = Times(width, bins, counts, max(self.last, other.last))
        return merged._summed()._narrowed()

    def eval_from(self, split: Split) -> int:
        """The first millisecond of the eval split.

        With `eval_last` the eval split is the last so much time; otherwise the start of the
        bin with which its share comes closest to `eval_fraction`.
        """
        if split.eval_last is not None:
            return self.last + 1 - round(split.eval_last.total_seconds() * 1000)
        if not len(self.bins):
            return 0
        shares = np.cumsum(self.counts[::-1])[::-1] / self.counts.sum()
        nearest = int(np.argmin(np.abs(shares - split.eval_fraction)))
        return int(self.bins[nearest]) * self.width

    def _summed(self) -> "Times":
        bins, place = np.unique(self.bins, return_inverse=True)
        counts = np.zeros(len(bins), dtype=np.int64)
        np.add.at(counts, place, self.counts)
        return Times(self.width, bins, counts, self.last)

    def _narrowed(self) -> "Times":
        times = self
        while len(times.bins) > MAX_BINS:
            times = Times(times.width * 2, times.bins // 2, times.counts, times.last)._summed()
        return times
