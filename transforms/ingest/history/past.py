"""What is known of keys at the start and at the end of an ingestion, and its form as rows."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.history.keys import KEY, KeySet
from transforms.ingest.rows.arrays import Floats, Ints
from transforms.ingest.rows.hashing import Hashes

BY, COUNT, LAST, KNOWN = "by", "count", "last", "known"
HOURS = ""
"""What stands in `by` of rows that are hours, not keys."""


class Past(NamedTuple):
    """What is known of some keys.

    Attributes:
        key: hashes, rising, uint64 [n].
        impressions: how many, int64 [n].
        last: the latest impression, milliseconds; -1 for none, int64 [n].
        number: task -> how many labels, int64 [n].
        sum: task -> their sum, [n].
    """

    key: Hashes
    impressions: Ints
    last: Ints
    number: dict[str, Ints]
    sum: dict[str, Floats]

    def of(self, keys: Hashes) -> "Past":
        """The same for more keys, rising, of which nothing else is known."""
        place = np.searchsorted(keys, self.key)

        def spread(values: Any, missing: int) -> Any:
            result = np.full(len(keys), missing, dtype=values.dtype)
            result[place] = values
            return result

        return Past(
            keys,
            spread(self.impressions, 0),
            spread(self.last, -1),
            {task: spread(values, 0) for task, values in self.number.items()},
            {task: spread(values, 0) for task, values in self.sum.items()},
        )


class Pending(NamedTuple):
    """Labels of impressions of the past that are not known yet when it ends.

    Attributes:
        key: hashes, uint64 [m].
        known: when it becomes known, milliseconds, int64 [m].
        label: task -> the label, NaN where the row is of another task, [m].
    """

    key: Hashes
    known: Ints
    label: dict[str, Floats]

    def of(self, task: str) -> tuple[Hashes, Ints, Floats]:
        """Key, time and label of one task's, in an order that is always the same."""
        rows = np.flatnonzero(~np.isnan(self.label[task]))
        order = np.lexsort((self.label[task][rows], self.known[rows], self.key[rows]))
        rows = rows[order]
        return self.key[rows], self.known[rows], self.label[task][rows]


def state_schema(tasks: Iterable[str]) -> pa.Schema:
    """The columns of the file."""
    head = [(BY, pa.string()), (KEY, pa.uint64()), (KNOWN, pa.int64())]
    head += [(COUNT, pa.int64()), (LAST, pa.int64())]
    tasks = sorted(tasks)
    numbers = [(f"n_{task}", pa.int64()) for task in tasks]
    return pa.schema([*head, *numbers, *((f"s_{task}", pa.float64()) for task in tasks)])


def rows_of(batch: pa.RecordBatch, key_set: KeySet | None) -> pa.RecordBatch:
    """The rows of one kind of keys; without one, those of hours."""
    name = key_set.name if key_set else HOURS
    return batch.filter(pc.equal(batch.column(BY), name))


def to_past(rows: pa.RecordBatch, key_set: KeySet) -> Past:
    """What was known of keys, from rows of one kind of keys in any order."""
    rows = rows.filter(pc.less(rows.column(KNOWN), 0))
    rows = rows.take(pc.sort_indices(rows, [(KEY, "ascending")]))

    def read(name: str) -> Any:
        return pc.fill_null(rows.column(name), 0).to_numpy()

    return Past(
        read(KEY),
        read(COUNT),
        read(LAST),
        {task: read(f"n_{task}") for task in key_set.tasks},
        {task: read(f"s_{task}") for task in key_set.tasks},
    )


def to_pending(rows: pa.RecordBatch, key_set: KeySet) -> Pending:
    """What was not known yet, from rows of one kind of keys in any order."""
    rows = rows.filter(pc.greater_equal(rows.column(KNOWN), 0))
    label = {}
    for task in key_set.tasks:
        is_task = pc.equal(rows.column(f"n_{task}"), 1)
        label[task] = pc.if_else(is_task, rows.column(f"s_{task}"), float("nan"))
    return Pending(
        rows.column(KEY).to_numpy(),
        rows.column(KNOWN).to_numpy(),
        {task: pc.fill_null(values, float("nan")).to_numpy() for task, values in label.items()},
    )


def to_rows(past: Past, key_set: KeySet, tasks: Iterable[str]) -> pa.RecordBatch:
    """What is known of keys, as rows of the file; null for tasks that are not theirs."""
    schema = state_schema(tasks)
    columns = {
        BY: pa.repeat(pa.scalar(key_set.name), len(past.key)),
        KEY: pa.array(past.key),
        KNOWN: pa.repeat(pa.scalar(-1, pa.int64()), len(past.key)),
        COUNT: pa.array(past.impressions),
        LAST: pa.array(past.last),
        **{f"n_{task}": pa.array(values) for task, values in past.number.items()},
        **{f"s_{task}": pa.array(values) for task, values in past.sum.items()},
    }
    return _with_nulls(columns, schema, len(past.key))


def pending_rows(pending: Pending, key_set: KeySet, tasks: Iterable[str]) -> pa.RecordBatch:
    """What is not known yet, as rows of the file, of one task each."""
    size = len(pending.key)
    columns = {
        BY: pa.repeat(pa.scalar(key_set.name), size),
        KEY: pa.array(pending.key),
        KNOWN: pa.array(pending.known),
        COUNT: pa.repeat(pa.scalar(0, pa.int64()), size),
        LAST: pa.repeat(pa.scalar(-1, pa.int64()), size),
    }
    for task, label in pending.label.items():
        others = np.isnan(label)
        columns[f"n_{task}"] = pa.array(np.ones(size, np.int64), mask=others)
        columns[f"s_{task}"] = pa.array(label, mask=others)
    return _with_nulls(columns, state_schema(tasks), size)


def _with_nulls(columns: dict[str, Any], schema: pa.Schema, size: int) -> pa.RecordBatch:
    nulls = {f.name: pa.nulls(size, f.type) for f in schema if f.name not in columns}
    return pa.record_batch([(columns | nulls)[n] for n in schema.names], schema=schema)
