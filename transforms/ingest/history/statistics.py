"""The statistics of all impressions of some keys, and what is known of the keys at the end."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.examples import TIMESTAMP, label_name
from transforms.features import HistoryFeature
from transforms.ingest.history.keys import KEY, PLACE, SHARD, KeySet, known_name
from transforms.ingest.history.past import Past, Pending
from transforms.ingest.history.priors import HOUR, Totals
from transforms.ingest.history.sums import Sums, Timeline
from transforms.ingest.rows.arrays import Floats, Ints

_ORDER = [(name, "ascending") for name in (KEY, TIMESTAMP, SHARD, PLACE)]


class KnownLabels(NamedTuple):
    """Labels of a task.

    Attributes:
        segment: of the key, int64 [m].
        known: when each becomes known, milliseconds, int64 [m].
        label: [m].
    """

    segment: Ints
    known: Ints
    label: Floats


class Histories:
    """All impressions of some keys.

    Args:
        key_set: the columns of the keys, and the statistics wanted.
        rows: see `KeySet.schema`; all rows of these keys, in any order.
        past: what was known of these keys when ingestion started, each key once.
        pending: labels of past impressions that become known later.
        until: up to when `past` knows; -1 if it knows nothing. Impressions up to then see
            each other but not `past`; later ones see `past` in place of those.
    """

    def __init__(
        self, key_set: KeySet, rows: pa.RecordBatch, past: Past, pending: Pending, until: int
    ) -> None:
        rows = rows.take(pc.sort_indices(rows, _ORDER))
        key, self.time = (rows.column(name).to_numpy() for name in (KEY, TIMESTAMP))
        self.rows = rows
        self.key_set = key_set
        self.past = past.of(np.union1d(past.key, key))
        self.code = np.searchsorted(self.past.key, key)
        self.is_late = self.time > until
        self.segment = 2 * self.code + self.is_late
        self.labels = {task: self._labels(task, pending) for task in key_set.tasks}
        times = (labels.known for labels in self.labels.values())
        self.timeline = Timeline(np.unique(np.concatenate([self.time, *times])))
        self.now = self.timeline.at(self.segment, self.time)
        self.sums = {
            task: Sums(self.timeline, labels.segment, labels.known, labels.label)
            for task, labels in self.labels.items()
        }

    def _labels(self, task: str, pending: Pending) -> KnownLabels:
        """The task's labels: those of the past that are to come, then those of the rows."""
        key, known, past_label = pending.of(task)
        label = self.rows.column(label_name(task))
        there = np.flatnonzero(label.is_valid().to_numpy(zero_copy_only=False))
        delay = self.rows.column(known_name(task)).to_numpy()
        values = label.take(pa.array(there)).to_numpy().astype(np.float64)
        return KnownLabels(
            np.append(2 * np.searchsorted(self.past.key, key) + 1, self.segment[there]),
            np.append(known, (self.time + delay)[there]),
            np.append(past_label, values),
        )

    def statistics(self, totals: Totals) -> pa.RecordBatch:
        """One row an impression: its `shard` and `place`, and the features, null if unknown.

        Args:
            totals: of all keys, for the priors.
        """
        columns = {name: self.rows.column(name) for name in (SHARD, PLACE)}
        for name, feature in self.key_set.features.items():
            values = self._statistic(feature, totals)
            columns[name] = pa.array(values.astype(np.float32), mask=np.isnan(values))
        return pa.record_batch(columns)

    def _statistic(self, feature: HistoryFeature, totals: Totals) -> Floats:
        if feature.statistic == "mean":
            assert feature.task is not None
            return self._mean(feature.task, feature.smoothing, totals)
        first = np.searchsorted(self.now, self.timeline.start(self.segment))
        end = np.searchsorted(self.now, self.now)
        if feature.statistic == "count":
            count: Floats = (end - first + self._of_past(self.past.impressions)).astype(np.float64)
            return count
        last = np.where(end > first, np.append(self.time, -1)[end - 1], -1)
        last = np.where(last < 0, self._of_past(self.past.last + 1) - 1, last)
        hours: Floats = np.where(last < 0, np.nan, (self.time - last) / HOUR)
        return hours

    def _mean(self, task: str, smoothing: float, totals: Totals) -> Floats:
        number, total = self.sums[task].before(self.segment, self.now)
        number = number + self._of_past(self.past.number[task])
        total = total + self._of_past(self.past.sum[task])
        if smoothing:
            prior = totals.prior(task, self.time, self.is_late)
            mean: Floats = (total + smoothing * prior) / (number + smoothing)
            return mean
        mean = np.full(len(total), np.nan)
        np.divide(total, number, out=mean, where=number > 0)
        return mean

    def _of_past(self, values: Any) -> Any:
        """A number of the keys' past at each impression; 0 where it must not see it, [n]."""
        return np.where(self.is_late, values[self.code], 0)

    def known_at(self, until: int) -> Past:
        """What is known of each key at a time that no impression comes after."""
        late = 2 * np.arange(len(self.past.key)) + 1
        end = self.timeline.after(late, until)
        first_row = np.searchsorted(self.now, self.timeline.start(late))
        end_row = np.searchsorted(self.now, end)
        last = np.append(self.time, -1)[np.where(end_row > first_row, end_row - 1, -1)]
        number, total = dict(self.past.number), dict(self.past.sum)
        for task, sums in self.sums.items():
            more, sum_more = sums.before(late, end)
            number[task], total[task] = number[task] + more, total[task] + sum_more
        return Past(
            self.past.key,
            self.past.impressions + end_row - first_row,
            np.maximum(self.past.last, last),
            number,
            total,
        )

    def pending_at(self, until: int) -> Pending:
        """What becomes known of each key only after a time that no impression comes after."""
        keys, times, labels = [], [], []
        for found in self.labels.values():
            rows = np.flatnonzero((found.known > until) & (found.segment % 2 == 1))
            keys.append(self.past.key[found.segment[rows] // 2])
            times.append(found.known[rows])
            labels.append(found.label[rows])
        sizes = [len(key) for key in keys]
        ends = np.cumsum(sizes)
        label = {}
        for task, end, values in zip(self.labels, ends, labels, strict=True):
            label[task] = np.full(int(sum(sizes)), np.nan)
            label[task][end - len(values) : end] = values
        nothing = np.array([], np.uint64), np.array([], np.int64)
        return Pending(
            np.concatenate([nothing[0], *keys]), np.concatenate([nothing[1], *times]), label
        )
