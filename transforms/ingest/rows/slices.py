"""Rows of many messages in slices of time, so that memory holds one slice and not all of them."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from transforms.ingest.rows.arrays import Ints, join_batches
from transforms.ingest.rows.messages import Message, Stored, read_batches, send

Runs = Sequence[pa.RecordBatch]


@contextmanager
def gathering(
    messages: Iterable[Message | pa.RecordBatch], max_rows: int, folder: str | None = None
) -> Iterator[Runs]:
    """The batches of messages; what is not in files and more than so many rows goes there.

    Args:
        messages: or batches, read once, one after the other.
        max_rows: that may be in memory.
        folder: where the files go; by default that of the system.
    """
    runs: list[pa.RecordBatch] = []
    waiting: list[pa.RecordBatch] = []
    own = None
    try:
        for message in messages:
            batches = [message] if isinstance(message, pa.RecordBatch) else read_batches(message)
            there = runs if isinstance(message, Stored) else waiting
            there += [batch for batch in batches if batch.num_rows]
            if sum(batch.num_rows for batch in waiting) > max_rows:
                own = own or tempfile.mkdtemp(prefix="gaterank-rows-", dir=folder)
                stored = send(((0, batch) for batch in waiting), own)
                runs += [batch for _, place in stored for batch in read_batches(place)]
                waiting = []
        yield [*runs, *waiting]
    finally:
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)


def slices(
    runs: Runs, time: str, schema: pa.Schema, span: tuple[int, int], max_rows: int
) -> Iterator[pa.RecordBatch]:
    """Cuts rows into slices of time of about equal size, each after the one before.

    Rows of the same time are never parted: if there are more of them than `max_rows`, they
    are a slice together.

    Args:
        runs: batches, each by rising time.
        time: the column of the times, int64.
        schema: of the batches.
        span: only rows from a time, and before another.
        max_rows: that a slice should have at most.
    """
    times = [run.column(time).to_numpy() for run in runs]
    begin = _places(times, span[0])
    end = _places(times, span[1])
    while (left := int((end - begin).sum())) > max_rows:
        size = -(-left // (-(-left // max_rows)))
        cut = _places(times, _cut(times, begin, end, size))
        yield _take(runs, begin, cut, schema)
        begin = cut
    if left:
        yield _take(runs, begin, end, schema)


def _places(times: Sequence[Ints], before: int) -> Ints:
    """How many rows of each run are before a time."""
    return np.array([np.searchsorted(some, before) for some in times], np.int64)


def _cut(times: Sequence[Ints], begin: Ints, end: Ints, size: int) -> int:
    """The latest time before which there are at most so many rows, but at least some."""
    left = [some[a:b] for some, a, b in zip(times, begin, end, strict=True) if a < b]
    first = min(int(some[0]) for some in left)
    low, high = first + 1, max(int(some[-1]) for some in left) + 1
    while low < high:
        middle = (low + high + 1) // 2
        if int(_places(left, middle).sum()) <= size:
            low = middle
        else:
            high = middle - 1
    return low


def _take(runs: Runs, begin: Ints, end: Ints, schema: pa.Schema) -> pa.RecordBatch:
    places = zip(runs, begin.tolist(), end.tolist(), strict=True)
    return join_batches([run.slice(a, b - a) for run, a, b in places if a < b], schema)
