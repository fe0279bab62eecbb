"""The rows of some keys on one timeline, and when their labels became known."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.examples import TIMESTAMP, label_name
from transforms.ingest.history.keys import KEY, KeySet, known_name
from transforms.ingest.history.past import KNOWN, Past, Pending, pending_rows, words_column
from transforms.ingest.history.sums import Timeline
from transforms.ingest.rows.arrays import Floats, Ints
from transforms.ingest.rows.columns import feature_column
from transforms.ingest.rows.hashing import Hashes


class TaskLabels(NamedTuple):
    """A task's labels: those of the past that are to come, then those of the rows.

    Attributes:
        row: of each, by rising time; -1 for one of the past, int64 [m].
        code: of the key, int64 [m].
        known: since when, milliseconds, int64 [m].
        time: of the impression, int64 [m].
        label: [m].
        words: column of the file -> words of those of the past, text.
    """

    row: Ints
    code: Ints
    known: Ints
    time: Ints
    label: Floats
    words: dict[str, pa.Array]


class Known:
    """What the impressions of some keys tell, by rising (key, time).

    Args:
        key_set: the keys.
        rows: see `KeySet.schema`; in any order.
        state: what was known of the keys before all of them.

    Attributes:
        key: of all keys, rising, [keys].
        past: of each of them.
        order: the rows by rising (key, time), int64 [n].
        code: the key of each row in that order, int64 [n].
        time: its time, [n].
        labels: of each task.
        timeline: of all times.
    """

    def __init__(self, key_set: KeySet, rows: pa.RecordBatch, state: pa.RecordBatch) -> None:
        self.rows = rows
        self.state = state
        past = Past.of(state, key_set)
        distinct, place = np.unique(rows.column(KEY).to_numpy(), return_inverse=True)
        self.key: Hashes = np.union1d(state.column(KEY).to_numpy(), distinct)
        self.past = past.spread(self.key)
        self.words = past.words
        self.words_code = np.searchsorted(self.key, past.key)
        time = rows.column(TIMESTAMP).to_numpy()
        self._pending = pending_rows(state)
        self.timeline = self._line(key_set, time)
        code = np.searchsorted(self.key, distinct)[place]
        self.order: Ints = np.argsort(self.timeline.at(code, time))
        self.code, self.time = code[self.order], time[self.order]
        self.labels = {task: self._labels(key_set, task) for task in key_set.tasks}

    def _line(self, key_set: KeySet, time: Ints) -> Timeline:
        times = [time, self._pending.column(KNOWN).to_numpy()]
        times += [time + self.rows.column(known_name(task)).to_numpy() for task in key_set.tasks]
        return Timeline.of(times, len(self.key))

    def _labels(self, key_set: KeySet, task: str) -> TaskLabels:
        pending = Pending.of(self._pending, task, key_set.streams)
        label = self.rows.column(label_name(task)).to_numpy(zero_copy_only=False)[self.order]
        row = np.flatnonzero(~np.isnan(label))
        delay = self.rows.column(known_name(task)).to_numpy()[self.order]
        return TaskLabels(
            np.append(np.full(len(pending.key), -1), row),
            np.append(np.searchsorted(self.key, pending.key), self.code[row]),
            np.append(pending.known, self.time[row] + delay[row]),
            np.append(pending.time, self.time[row]),
            np.append(pending.label, label[row].astype(np.float64)),
            pending.words,
        )

    def words_of(self, task: str | None, column: str, chosen: Ints) -> pa.Array:
        """The words of a column.

        Args:
            task: whose labels they go with; without one, they are of the rows.
            column: of the impressions.
            chosen: some of the labels, or of the rows, rising.
        """
        words = self.rows.column(feature_column(column))
        if task is None:
            return words.take(pa.array(self.order[chosen]))
        labels = self.labels[task]
        row = labels.row[chosen]
        old = labels.words[words_column(task, column)].take(pa.array(chosen[row < 0]))
        return pa.concat_arrays([old, words.take(pa.array(self.order[row[row >= 0]]))])


def moments(code: Ints, time: Ints) -> Ints:
    """Where the rows of another key or time begin, by rising (key, time)."""
    is_new = (np.diff(code, prepend=-1) != 0) | (np.diff(time, prepend=-1) != 0)
    return np.flatnonzero(is_new)


def words_to_text(lists: pa.ListArray) -> pa.ListArray:
    """Lists of a dictionary as lists of text."""
    values = lists.values
    return pa.ListArray.from_arrays(lists.offsets, values.dictionary.take(values.indices))
