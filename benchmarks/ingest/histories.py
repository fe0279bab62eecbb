"""History features alone: what impressions tell their keys, in memory, to what is told of each.

    python -m benchmarks.ingest.histories WAY FEATURES ROWS

where WAY is `ours` or `loop`, a dictionary of users and a loop over the rows, or `none`, which
only makes the rows, and FEATURES is `rates` or `sequence`. The rows are of users with two
hundred impressions, each at a time of its own; half are clicked, some seconds later.
"""

import heapq
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.examples import TIMESTAMP, label_name
from transforms.history_features import HistoryFeature, SequenceFeature, Statistic
from transforms.ingest.history.keys import KEY, PLACE, SHARD, KeySet, known_name
from transforms.ingest.history.past import state_schema
from transforms.ingest.history.priors import HOUR, Bin, Totals
from transforms.ingest.rows.arrays import join_batches
from transforms.ingest.rows.columns import feature_column
from transforms.ingest.steps.key_partition import KeyPartition

LENGTH = 50
RATES = {"click": 0.5, "like": 0.125}
_PARTITION_ROWS, _PARTITIONS, _USER_ROWS, _ITEMS = 100_000, 16, 200, 50_000
_ITEM = feature_column("item_id")
_START, _DAY_MS = 1_767_225_600_000, 86_400_000


def _history(statistic: Statistic, task: str | None = None) -> HistoryFeature:
    return HistoryFeature(of="user", by="user_id", kind="history", statistic=statistic, task=task)


_FEATURES: dict[str, dict[str, HistoryFeature | SequenceFeature]] = {
    "rates": {
        "clicks": _history("mean", "click"),
        "likes": _history("mean", "like"),
        "count": _history("count"),
        "hours": _history("hours_since"),
    },
    "sequence": {
        "clicked": SequenceFeature(
            of="user", by="user_id", kind="sequence", column="item_id", task="click", length=LENGTH
        )
    },
}

Way = Callable[[KeySet, pa.RecordBatch], Iterator[object]]


def key_set_of(features: str) -> KeySet:
    """Users, and what is wanted of them."""
    return KeySet(("user_id",), _FEATURES[features])


def make_partitions(key_set: KeySet, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of each partition of keys, by rising time."""
    items = np.array([f"i{item:06d}" for item in range(_ITEMS)])
    for number, first in enumerate(range(0, rows, _PARTITION_ROWS)):
        size = min(_PARTITION_ROWS, rows - first)
        rng = np.random.default_rng([number, size])
        users = rng.integers(0, 2**63, max(1, size // _USER_ROWS)).astype(np.uint64)
        columns = {
            KEY: pa.array(users[rng.integers(0, len(users), size)]),
            SHARD: pa.array(rng.integers(0, _PARTITIONS, size), pa.int32()),
            PLACE: pa.array(np.arange(size)),
            TIMESTAMP: pa.array(_START + np.sort(rng.integers(0, _DAY_MS, size))),
            _ITEM: pa.array(items[rng.integers(0, _ITEMS, size)]),
        }
        for task, rate in RATES.items():
            label = (rng.random(size) < rate).astype(np.float32)
            delay = label.astype(np.int64) * rng.integers(500, 60_000, size)
            columns |= {label_name(task): pa.array(label), known_name(task): pa.array(delay)}
        yield pa.record_batch([columns[f.name] for f in key_set.schema], schema=key_set.schema)


def ours(key_set: KeySet, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """What ingestion does with a partition of keys."""
    totals = Totals()
    for task, rate in RATES.items():
        totals.add(Bin(task, True, 0), 1, Fraction(rate))
    nothing = join_batches([], state_schema([key_set]))
    keys = KeyPartition(key_set, [rows], nothing, -1, rows.num_rows)
    for made in keys.statistics(totals):
        yield from (piece for _, piece in made)
    yield keys.state_at(_START + _DAY_MS)


def loop(key_set: KeySet, rows: pa.RecordBatch) -> Iterator[tuple[object, ...]]:
    """Row after row: place, then the features; labels wait in a heap until they are known."""
    users: defaultdict[int, User] = defaultdict(User)
    waiting: list[tuple[int, int, str, dict[str, Any]]] = []
    for number, row in enumerate(rows.to_pylist()):
        while waiting and waiting[0][0] < row[TIMESTAMP]:
            _, _, task, label = heapq.heappop(waiting)
            users[label[KEY]].learn(task, label[label_name(task)], label.get(_ITEM))
        known = users[row[KEY]]
        yield row[PLACE], *(known.tell(f, row[TIMESTAMP]) for f in key_set.features.values())
        known.count, known.last = known.count + 1, row[TIMESTAMP]
        for task in key_set.tasks:
            known_at = row[TIMESTAMP] + row[known_name(task)]
            heapq.heappush(waiting, (known_at, number, task, row))


class User:
    """What is known of a user."""

    def __init__(self) -> None:
        self.count, self.last = 0, 0
        self.labels = {task: [0.0, 0.0] for task in RATES}
        self.clicked: deque[str] = deque(maxlen=LENGTH)

    def learn(self, task: str, label: float, item: str | None) -> None:
        """Takes a label in."""
        self.labels[task][0] += 1
        self.labels[task][1] += label
        if task == "click" and label > 0 and item is not None:
            self.clicked.appendleft(item)

    def tell(self, feature: HistoryFeature | SequenceFeature, time: int) -> object:
        """A feature at a time; None where nothing is known."""
        if isinstance(feature, SequenceFeature):
            return list(self.clicked)
        match feature.statistic:
            case "count":
                return self.count
            case "mean":
                assert feature.task is not None
                number, total = self.labels[feature.task]
                prior = feature.smoothing * RATES[feature.task]
                return (total + prior) / (number + feature.smoothing)
        return (time - self.last) / HOUR if self.count else None


_WAYS: dict[str, Way] = {"ours": ours, "loop": loop, "none": lambda key_set, rows: iter(())}


def main() -> None:
    """Makes all histories and drops them."""
    way, key_set, rows = _WAYS[sys.argv[1]], key_set_of(sys.argv[2]), int(sys.argv[3])
    for partition in make_partitions(key_set, rows):
        deque(way(key_set, partition), maxlen=0)


if __name__ == "__main__":
    main()
