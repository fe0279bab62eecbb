"""What is known of keys at the start of an ingestion, out of the rows of a history.

The state of some keys is a batch of these rows, in a file from one ingestion to the next and
in memory from one slice of time to the next.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.history.keys import KEY, KeySet, Stream, Window
from transforms.ingest.history.windows import Steps
from transforms.ingest.rows.arrays import Flags, Floats, Ints
from transforms.ingest.rows.hashing import Hashes

BY, STEP, KNOWN, TASK = "by", "step", "known", "task"
COUNT, FIRST, LAST, LABEL = "count", "first", "last", "label"
HOURS = ""
"""What stands in `by` of rows that are hours, not keys."""

NEVER = -1
_WORDS = pa.list_(pa.string())


def number_column(task: str) -> str:
    """The column that says how many labels of a task are known."""
    return f"n_{task}"


def sum_column(task: str) -> str:
    """The column that holds their sum."""
    return f"s_{task}"


def words_column(task: str | None, column: str) -> str:
    """The column that holds the words of a stream."""
    return f"words.{task or ''}.{column}"


def state_schema(key_sets: Iterable[KeySet]) -> pa.Schema:
    """The columns of the file, and of the state of any of its keys."""
    key_sets = tuple(key_sets)
    head = [(BY, pa.string()), (KEY, pa.uint64()), (STEP, pa.int64()), (KNOWN, pa.int64())]
    head += [(TASK, pa.string()), (COUNT, pa.int64()), (FIRST, pa.int64()), (LAST, pa.int64())]
    tasks = sorted({task for key_set in key_sets for task in key_set.mean_tasks})
    numbers = [(number_column(task), pa.int64()) for task in tasks]
    sums = [(sum_column(task), pa.float64()) for task in tasks]
    words = {name for key_set in key_sets for name in words_columns(key_set)}
    lists = [(name, _WORDS) for name in sorted(words)]
    return pa.schema([*head, (LABEL, pa.float64()), *numbers, *sums, *lists])


def words_columns(key_set: KeySet) -> tuple[str, ...]:
    """All columns of words."""
    return tuple(words_column(s.task, column) for s in key_set.streams for column in s.columns)


def rows_of(batch: pa.RecordBatch, key_set: KeySet | None) -> pa.RecordBatch:
    """The rows of one kind of keys; without one, those of hours."""
    name = key_set.name if key_set else HOURS
    return batch.filter(pc.equal(batch.column(BY), name))


class Past(NamedTuple):
    """What is known of some keys.

    Attributes:
        key: hashes, rising, uint64 [n].
        impressions: how many, int64 [n].
        first: the first impression, milliseconds; -1 for none, int64 [n].
        last: the latest one, likewise.
        number: task -> how many labels, int64 [n].
        sum: task -> their sum, [n].
        words: column of the file -> the last words, the latest first, lists [n].
    """

    key: Hashes
    impressions: Ints
    first: Ints
    last: Ints
    number: dict[str, Ints]
    sum: dict[str, Floats]
    words: dict[str, pa.ListArray]

    @classmethod
    def of(cls, state: pa.RecordBatch, key_set: KeySet) -> Self:
        """Out of the state of one kind of keys, its rows in any order."""
        rows = state.filter(pc.less(state.column(KNOWN), 0))
        rows = rows.take(pc.sort_indices(rows, [(KEY, "ascending")]))
        empty = pa.scalar([], _WORDS)
        return cls(
            rows.column(KEY).to_numpy(),
            read_numbers(rows, COUNT),
            read_numbers(rows, FIRST, NEVER),
            read_numbers(rows, LAST, NEVER),
            {task: read_numbers(rows, number_column(task)) for task in key_set.mean_tasks},
            {task: read_numbers(rows, sum_column(task)) for task in key_set.mean_tasks},
            {name: _filled(rows.column(name), empty) for name in words_columns(key_set)},
        )

    def spread(self, keys: Hashes) -> "Past":
        """The same for more keys, rising, of which nothing else is known; without words."""
        place = np.searchsorted(keys, self.key)

        def spread(values: Any, missing: int = 0) -> Any:
            result = np.full(len(keys), missing, dtype=values.dtype)
            result[place] = values
            return result

        return Past(
            keys,
            spread(self.impressions),
            spread(self.first, NEVER),
            spread(self.last, NEVER),
            {task: spread(values) for task, values in self.number.items()},
            {task: spread(values) for task, values in self.sum.items()},
            {},
        )


class Pending(NamedTuple):
    """Labels of a task of impressions of the past that are not known yet when it ends.

    Attributes:
        key: hashes, uint64 [m].
        known: when each becomes known, milliseconds, int64 [m].
        time: of the impression, int64 [m].
        label: [m].
        words: column of the file -> the impression's word, text [m].
    """

    key: Hashes
    known: Ints
    time: Ints
    label: Floats
    words: dict[str, pa.Array]

    @classmethod
    def of(cls, pending: pa.RecordBatch, task: str, streams: Iterable[Stream]) -> Self:
        """Out of the rows of `pending_rows`, by rising time of the impressions."""
        rows = pending.filter(pc.equal(pending.column(TASK), task))
        rows = rows.take(pc.sort_indices(rows, [(LAST, "ascending")]))
        names = (words_column(s.task, c) for s in streams if s.task == task for c in s.columns)
        return cls(
            rows.column(KEY).to_numpy(),
            rows.column(KNOWN).to_numpy(),
            read_numbers(rows, LAST),
            read_numbers(rows, LABEL),
            {name: pc.binary_join(rows.column(name), "") for name in names},
        )


def pending_rows(state: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that are labels to come."""
    is_key = pc.less(state.column(KNOWN), 0)
    return state.filter(pc.and_(pc.invert(is_key), pc.equal(state.column(STEP), 0)))


def window_steps(state: pa.RecordBatch, window: Window, keys: Hashes) -> Steps:
    """The steps of a window that were carried on, by rising (key, step).

    Args:
        state: of one kind of keys.
        window: the window.
        keys: all keys, rising.
    """
    is_of_task = _equal_or_null(state.column(TASK), window.task)
    mask = is_of_task & pc.equal(state.column(STEP), window.step).to_numpy(zero_copy_only=False)
    rows = state.filter(pa.array(mask))
    rows = rows.take(pc.sort_indices(rows, [(KEY, "ascending"), (KNOWN, "ascending")]))
    return Steps(
        np.searchsorted(keys, rows.column(KEY).to_numpy()),
        rows.column(KNOWN).to_numpy() // window.step,
        read_numbers(rows, COUNT),
        read_numbers(rows, LABEL),
    )


def read_numbers(rows: pa.RecordBatch, name: str, missing: int = 0) -> Any:
    """A column of numbers, with one in place of nulls."""
    return pc.fill_null(rows.column(name), missing).to_numpy()


def _equal_or_null(column: pa.Array, value: str | None) -> Flags:
    equal = pc.is_null(column) if value is None else pc.fill_null(pc.equal(column, value), False)
    flags: Flags = equal.to_numpy(zero_copy_only=False)
    return flags


def _filled(lists: pa.ListArray, empty: pa.Scalar) -> pa.ListArray:
    return pc.if_else(lists.is_null(), empty, lists) if lists.null_count else lists
