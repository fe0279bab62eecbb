"""What is known of keys at the end of a stretch of time, as rows of a history."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.history.keys import KEY, KeySet, Window
from transforms.ingest.history.known import Known, words_to_text
from transforms.ingest.history.past import (
    BY,
    COUNT,
    FIRST,
    KNOWN,
    LABEL,
    LAST,
    NEVER,
    STEP,
    TASK,
    number_column,
    state_schema,
    sum_column,
    words_column,
)
from transforms.ingest.history.sequences import Sequences
from transforms.ingest.history.sums import Sums
from transforms.ingest.history.windows import WindowSums
from transforms.ingest.rows.arrays import join_batches

Columns = dict[str, pa.Array]


def carry_on(
    key_set: KeySet,
    known: Known,
    windows: Mapping[Window, WindowSums],
    sequences: Mapping[str | None, Sequences],
    sums: Mapping[str, Sums],
    until: int,
) -> pa.RecordBatch:
    """The rows of some keys, in an order that their content alone decides.

    Args:
        key_set: the keys.
        known: of them.
        windows: of them.
        sequences: of them, by task.
        sums: of them, by task.
        until: milliseconds; no impression comes after it.
    """
    schema = state_schema([key_set])
    batches = [_keys(key_set, known, sequences, sums, until)]
    batches += [_steps(known, window, found, until) for window, found in windows.items()]
    batches += [_pending(key_set, known, task, until) for task in key_set.tasks]
    rows = [_with_nulls(columns, key_set, schema) for columns in batches]
    return join_batches(rows, schema)


def _keys(
    key_set: KeySet,
    known: Known,
    sequences: Mapping[str | None, Sequences],
    sums: Mapping[str, Sums],
    until: int,
) -> Columns:
    past, size = known.past, len(known.key)
    begin, end = (np.searchsorted(known.code, np.arange(size), side) for side in ("left", "right"))
    is_seen = end > begin
    first, last = (np.append(known.time, NEVER)[np.where(is_seen, p, -1)] for p in (begin, end - 1))
    columns = {
        KEY: pa.array(known.key),
        KNOWN: _repeat(NEVER, size),
        COUNT: pa.array(past.impressions + end - begin),
        FIRST: pa.array(np.where(past.first >= 0, past.first, first)),
        LAST: pa.array(np.maximum(past.last, last)),
    }
    for task, found in sums.items():
        more, ends = found.until(until)
        total = found.at_end(ends, np.arange(size), past.sum[task])
        columns[number_column(task)] = pa.array(past.number[task] + more)
        columns[sum_column(task)] = pa.array(total)
    for stream in key_set.streams:
        ends = sequences[stream.task].ends_at(until)
        for column in stream.columns:
            lists = sequences[stream.task].lists(column, np.arange(size), ends, stream.length)
            columns[words_column(stream.task, column)] = words_to_text(lists)
    return columns


def _steps(known: Known, window: Window, found: WindowSums, until: int) -> Columns:
    steps = found.steps_at(until)
    return {
        KEY: pa.array(known.key[steps.code]),
        STEP: _repeat(window.step, len(steps.code)),
        KNOWN: pa.array(steps.step * window.step),
        TASK: pa.repeat(pa.scalar(window.task, pa.string()), len(steps.code)),
        COUNT: pa.array(steps.number),
        LABEL: pa.array(steps.sum),
    }


def _pending(key_set: KeySet, known: Known, task: str, until: int) -> Columns:
    """The labels of a task that are to come; those that only sequences need, if positive."""
    labels = known.labels[task]
    is_wanted = (labels.known > until) & ((labels.label > 0) | (task in key_set.mean_tasks))
    chosen = np.flatnonzero(is_wanted)
    table = {
        KEY: pa.array(known.key[labels.code[chosen]]),
        KNOWN: pa.array(labels.known[chosen]),
        LAST: pa.array(labels.time[chosen]),
        LABEL: pa.array(labels.label[chosen]),
    }
    streams = [stream for stream in key_set.streams if stream.task == task]
    for column in (column for stream in streams for column in stream.columns):
        table[words_column(task, column)] = known.words_of(task, column, chosen)
    order = pc.sort_indices(pa.table(table), [(name, "ascending") for name in table])
    table = {name: values.take(order) for name, values in table.items()}
    for name in list(table)[4:]:
        table[name] = _one_word(table[name], table[LABEL])
    return table | {TASK: pa.repeat(task, len(chosen))}


def _one_word(words: pa.Array, label: pa.Array) -> pa.ListArray:
    """A list of the word for positive labels, else none."""
    counts = pc.greater(label, 0).to_numpy(zero_copy_only=False)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int32)
    text = pc.fill_null(words.filter(pa.array(counts)), "")
    return pa.ListArray.from_arrays(pa.array(offsets), text)


def _repeat(value: int, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.int64()), size)


def _with_nulls(columns: Columns, key_set: KeySet, schema: pa.Schema) -> pa.RecordBatch:
    size = len(columns[KEY])
    columns = {BY: pa.repeat(key_set.name, size), STEP: _repeat(0, size)} | columns
    nulls = {f.name: pa.nulls(size, f.type) for f in schema if f.name not in columns}
    return pa.record_batch([(columns | nulls)[n] for n in schema.names], schema=schema)
