"""What is told of every impression of some keys: what was known of its key before."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.features import HistoryFeature
from transforms.ingest.history.carry import carry_on
from transforms.ingest.history.keys import PLACE, SHARD, KeySet, Window
from transforms.ingest.history.known import Known, moments
from transforms.ingest.history.past import window_steps, words_column
from transforms.ingest.history.priors import HOUR, Totals
from transforms.ingest.history.sequences import Sequences, Shown
from transforms.ingest.history.sums import Sums
from transforms.ingest.history.windows import WindowSums
from transforms.ingest.rows.arrays import Floats, Ints


class Histories:
    """The impressions of some keys in a stretch of time.

    Impressions of the same moment, a key and a millisecond, know the same; what they know is
    worked out once.

    Args:
        key_set: the columns of the keys, and the statistics wanted.
        rows: see `KeySet.schema`; all rows of these keys in that time, in any order.
        state: what was known of these keys before it, as rows of a history; see `past`.

    Attributes:
        last: the time of the latest impression; -1 without any.
    """

    def __init__(self, key_set: KeySet, rows: pa.RecordBatch, state: pa.RecordBatch) -> None:
        self._key_set = key_set
        self._known = Known(key_set, rows, state)
        known = self._known
        self.last = int(known.time.max(initial=-1))
        self._start = moments(known.code, known.time)
        self._code, self._time = known.code[self._start], known.time[self._start]
        self._number = known.timeline.at(self._code, self._time)
        self._sums = {task: self._task_sums(task) for task in key_set.mean_tasks}
        self._windows = {window: self._window(window) for window in key_set.windows}
        self._sequences = {s.task: self._sequence(s.task, s.columns) for s in key_set.streams}

    def _task_sums(self, task: str) -> Sums:
        found, before = self._known.labels[task], self._known.past.sum[task]
        return Sums.of(self._known.timeline, found.code, found.known, found.label, before)

    def _window(self, window: Window) -> WindowSums:
        known = self._known
        before = window_steps(known.state, window, known.key)
        if window.task is None:
            number = np.diff(self._start, append=len(known.code))
            values: Any = (self._code, self._time, number, np.zeros(len(number)))
        else:
            sums = self._sums[window.task]
            values = (sums.code, sums.known, np.ones(len(sums.code), np.int64), sums.label)
        return WindowSums.of(known.timeline, window.step, before, *values)

    def _sequence(self, task: str | None, columns: tuple[str, ...]) -> Sequences:
        known = self._known
        if task is None:
            chosen = np.arange(len(known.code))
            code, since, time = known.code, known.time, known.time
        else:
            labels = known.labels[task]
            chosen = np.flatnonzero(labels.label > 0)
            code, since, time = (
                values[chosen] for values in (labels.code, labels.known, labels.time)
            )
        words = {column: known.words_of(task, column, chosen) for column in columns}
        before = {column: known.words[words_column(task, column)] for column in columns}
        shown = Shown(code, since, time, words)
        return Sequences(known.timeline, len(known.key), before, known.words_code, shown)

    def statistics(self, totals: Totals, is_late: bool) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Partition of requests -> one row an impression of its: `place`, and the features.

        A number is null where nothing is known. A sequence is told once for rows of the same
        moment that follow each other: null says, as the row before.

        Args:
            totals: of all keys, for the priors.
            is_late: which of the totals count; see `Totals`.
        """
        known = self._known
        numbers = {
            name: self._statistic(feature, totals, is_late).astype(np.float32)
            for name, feature in self._key_set.numbers.items()
        }
        ends = {task: found.ends(self._number) for task, found in self._sequences.items()}
        shard, place = (known.rows.column(name).to_numpy()[known.order] for name in (SHARD, PLACE))
        sizes = np.diff(self._start, append=len(shard))
        moment = np.repeat(np.arange(len(sizes)), sizes)
        if shard.max(initial=0) < 2**16:
            shard = shard.astype(np.uint16)  # which NumPy sorts by radix
        by_shard = np.argsort(shard, kind="stable")
        for rows in np.split(by_shard, np.flatnonzero(np.diff(shard[by_shard])) + 1):
            if not len(rows):
                continue
            there = moment[rows]
            columns = {PLACE: pa.array(place[rows])}
            for name, values in numbers.items():
                columns[name] = pa.array(values[there], mask=np.isnan(values[there]))
            columns |= self._words(there, ends)
            yield int(shard[rows[0]]), pa.record_batch(columns)

    def _words(self, moment: Ints, ends: dict[str | None, Ints]) -> dict[str, pa.Array]:
        """The sequences of rows of these moments, [n]."""
        is_first = np.diff(moment, prepend=-1) != 0
        told, columns = moment[is_first], {}
        ends_of_rows = np.append(0, np.cumsum(is_first))
        for name, feature in self._key_set.sequences.items():
            lists = self._sequences[feature.task].lists(
                feature.column, self._code[told], ends[feature.task][told], feature.length
            )
            offsets = lists.offsets.take(pa.array(ends_of_rows))
            columns[name] = pa.ListArray.from_arrays(
                offsets, lists.values, mask=pa.array(~is_first)
            )
        return columns

    def _statistic(self, feature: HistoryFeature, totals: Totals, is_late: bool) -> Floats:
        """Of each moment."""
        match feature.statistic:
            case "mean":
                return self._mean(feature, totals, is_late)
            case "count":
                return self._count(feature).astype(np.float64)
            case "age":
                return self._hours_since(self._first())
        return self._hours_since(self._last())

    def _mean(self, feature: HistoryFeature, totals: Totals, is_late: bool) -> Floats:
        assert feature.task is not None
        if feature.step is None:
            found, past = self._sums[feature.task], self._known.past
            end = np.searchsorted(found.number, self._number)
            number = end - found.first[self._code] + past.number[feature.task][self._code]
            total = found.at_end(end, self._code, past.sum[feature.task])
        else:
            number, total = self._of_window(Window(feature.step, feature.task))
        if feature.smoothing:
            prior = totals.prior(feature.task, self._time, is_late)
            mean: Floats = (total + feature.smoothing * prior) / (number + feature.smoothing)
            return mean
        mean = np.full(len(total), np.nan)
        np.divide(total, number, out=mean, where=number > 0)
        return mean

    def _count(self, feature: HistoryFeature) -> Ints:
        if feature.step is not None:
            return self._of_window(Window(feature.step, None))[0]
        first = np.searchsorted(self._known.code, self._code)
        count: Ints = self._start - first + self._known.past.impressions[self._code]
        return count

    def _of_window(self, window: Window) -> tuple[Ints, Floats]:
        return self._windows[window].before(self._code, self._time, self._number)

    def _first(self) -> Ints:
        """The time of the key's first impression, which may be the moment itself."""
        first = self._known.past.first[self._code]
        return np.where(first >= 0, first, self._time[np.searchsorted(self._code, self._code)])

    def _last(self) -> Ints:
        """The time of the key's latest impression before the moment; -1 without any."""
        is_same = np.diff(self._code, prepend=-1) == 0
        before = np.append(-1, self._time[:-1])[: len(self._time)]
        return np.where(is_same, before, self._known.past.last[self._code])

    def _hours_since(self, time: Ints) -> Floats:
        is_past = (time >= 0) & (time < self._time)
        hours: Floats = np.where(is_past, (self._time - time) / HOUR, np.nan)
        return hours

    def state_at(self, until: int) -> pa.RecordBatch:
        """What is known at a time that no impression comes after, as rows of a history."""
        found = self._windows, self._sequences, self._sums
        return carry_on(self._key_set, self._known, *found, until)
