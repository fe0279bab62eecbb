"""What is known of keys at the start and at the end of an ingestion, and its form as rows."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.history.keys import KEY, KeySet
from transforms.ingest.rows.arrays import Floats, Ints
from transforms.ingest.rows.hashing import Hashes

BY, COUNT, LAST = "by", "count", "last"
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


def state_schema(tasks: Iterable[str]) -> pa.Schema:
    """The columns of the file."""
    head = [(BY, pa.string()), (KEY, pa.uint64()), (COUNT, pa.int64()), (LAST, pa.int64())]
    tasks = sorted(tasks)
    numbers = [(f"n_{task}", pa.int64()) for task in tasks]
    return pa.schema([*head, *numbers, *((f"s_{task}", pa.float64()) for task in tasks)])


def rows_of(batch: pa.RecordBatch, key_set: KeySet | None) -> pa.RecordBatch:
    """The rows of one kind of keys; without one, those of hours."""
    name = key_set.name if key_set else HOURS
    return batch.filter(pc.equal(batch.column(BY), name))


def to_past(rows: pa.RecordBatch, key_set: KeySet) -> Past:
    """Rows of one kind of keys, in any order."""
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


def to_rows(past: Past, key_set: KeySet, tasks: Iterable[str]) -> pa.RecordBatch:
    """What is known of keys, as rows of the file; null for tasks that are not theirs."""
    schema = state_schema(tasks)
    columns = {
        BY: pa.repeat(pa.scalar(key_set.name), len(past.key)),
        KEY: pa.array(past.key),
        COUNT: pa.array(past.impressions),
        LAST: pa.array(past.last),
        **{f"n_{task}": pa.array(values) for task, values in past.number.items()},
        **{f"s_{task}": pa.array(values) for task, values in past.sum.items()},
    }
    nulls = {f.name: pa.nulls(len(past.key), f.type) for f in schema if f.name not in columns}
    return pa.record_batch([(columns | nulls)[n] for n in schema.names], schema=schema)
