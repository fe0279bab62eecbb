"""The statistics of all impressions of some keys, and what is known of the keys at the end."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.examples import TIMESTAMP, label_name
from transforms.features import HistoryFeature
from transforms.ingest.history.keys import KEY, PLACE, SHARD, KeySet, known_name
from transforms.ingest.history.past import Past
from transforms.ingest.history.priors import HOUR, Totals
from transforms.ingest.history.sums import Sums, Timeline
from transforms.ingest.rows.arrays import Floats, Ints

_ORDER = [(name, "ascending") for name in (KEY, TIMESTAMP, SHARD, PLACE)]


class Histories:
    """All impressions of some keys.

    Args:
        key_set: the columns of the keys, and the statistics wanted.
        rows: see `KeySet.schema`; all rows of these keys, in any order.
        past: what was known of these keys when ingestion started, each key once.
        until: up to when `past` knows; -1 if it knows nothing. Impressions up to then see
            each other but not `past`; later ones see `past` in place of those.
    """

    def __init__(self, key_set: KeySet, rows: pa.RecordBatch, past: Past, until: int) -> None:
        rows = rows.take(pc.sort_indices(rows, _ORDER))
        key, self.time = (rows.column(name).to_numpy() for name in (KEY, TIMESTAMP))
        self.rows = rows
        self.key_set = key_set
        self.past = past.of(np.union1d(past.key, key))
        self.code = np.searchsorted(self.past.key, key)
        self.is_late = self.time > until
        self.segment = 2 * self.code + self.is_late
        known = {t: self.time + rows.column(known_name(t)).to_numpy() for t in key_set.tasks}
        self.timeline = Timeline(np.unique(np.concatenate([self.time, *known.values()])))
        self.now = self.timeline.at(self.segment, self.time)
        self.sums = {task: self._sums(task, times) for task, times in known.items()}

    def _sums(self, task: str, known: Ints) -> Sums:
        label = self.rows.column(label_name(task))
        there = np.flatnonzero(label.is_valid().to_numpy(zero_copy_only=False))
        values = label.take(pa.array(there)).to_numpy().astype(np.float64)
        return Sums(self.timeline, self.segment[there], known[there], values)

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
