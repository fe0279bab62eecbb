"""What is known at the end of an ingestion: the file `history.parquet`.

Its rows, told apart by `by`, `step` and `known`:

- *A key* (`step` 0, `known` -1): `by` (the columns, separated by commas), `key` (`hash_text` of
  its values joined by U+001F, with the salt `history:<by>:`), `count`, `first` and `last`
  (milliseconds) of its impressions, for each task the number `n_<task>` and sum `s_<task>` of
  the labels known, and in `words.<task>.<column>` the words of its last impressions, the latest
  first.
- *A label to come* (`step` 0, `known` when it does): `task`, `label`, `last` as the time of its
  impression, and the impression's words.
- *A step of a window* (`step` its milliseconds, `known` when it began): how many (`count`), and
  for a `task` the sum of their labels (`label`).
- *An hour* (`by` empty): `key` counts it since the epoch, `n_` and `s_` tell of the labels that
  become known in it; of its several rows the sums add up.

The file's metadata say up to when it knows, and what of which keys.
"""

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.ingest.history.keys import KEY, KeySet
from transforms.ingest.history.opening import FORMAT, METADATA, check_rows, content_of, open_input
from transforms.ingest.history.past import (
    BY,
    HOURS,
    KNOWN,
    NEVER,
    STEP,
    number_column,
    state_schema,
    sum_column,
)
from transforms.ingest.history.priors import Bin, Totals
from transforms.storage import write_whole

HISTORY_FILE = "history.parquet"


def read_history(path: str, key_sets: Iterable[KeySet]) -> Iterator[pa.RecordBatch]:
    """The rows of a history, with the columns of these keys.

    Raises:
        InputError: if a row is none of a history.
    """
    key_sets = tuple(key_sets)
    schema = state_schema(key_sets)
    with pq.ParquetFile(open_input(path)) as file:
        for batch in file.iter_batches(columns=[*schema.names]):
            rows = batch.select(schema.names)
            check_rows(path, rows, key_sets)
            yield rows


def to_totals(hours: pa.RecordBatch, tasks: Iterable[str]) -> Totals:
    """Rows of hours as totals, seen by impressions after the history."""
    totals = Totals()
    for task in tasks:
        names = (KEY, number_column(task), sum_column(task))
        columns = (hours.column(name).to_pylist() for name in names)
        for hour, number, total in zip(*columns, strict=True):
            if number or total:
                totals.add(Bin(task, True, hour), number or 0, Fraction(total or 0))
    return totals


def write_history(
    path: str,
    batches: Iterable[pa.RecordBatch],
    totals: Totals,
    key_sets: Iterable[KeySet],
    until: int,
) -> None:
    """Writes a history.

    Args:
        path: of the file.
        batches: the rows of keys, in the order in which they are written; each with the
            columns of its own key set.
        totals: the hours.
        key_sets: all there are.
        until: the latest impression.
    """
    key_sets = tuple(key_sets)
    by = {key_set.name: content_of(key_set) for key_set in key_sets}
    head = json.dumps({"format": FORMAT, "until": until, "by": by})
    schema = state_schema(key_sets)
    with (
        write_whole(path) as stream,
        pq.ParquetWriter(
            stream, schema.with_metadata({METADATA: head}), compression="zstd"
        ) as writer,
    ):
        writer.write_batch(_hours(totals, schema))
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(fit(batch, schema))


def fit(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of a schema, null where the batch has none."""
    there = set(batch.schema.names)
    columns = [
        batch.column(field.name) if field.name in there else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.record_batch(columns, schema=schema)


def _hours(totals: Totals, schema: pa.Schema) -> pa.RecordBatch:
    """One row for an hour of a task, and more until their sums are exactly what they were."""
    rows = []
    for key, (number, total) in sorted(totals.bins.items()):
        while key.is_late:
            names = (number_column(key.task), sum_column(key.task))
            head = {BY: HOURS, KEY: key.hour, STEP: 0, KNOWN: NEVER}
            rows.append(head | dict(zip(names, (number, float(total)), strict=True)))
            number, total = 0, total - Fraction(float(total))
            if not total:
                break
    return pa.RecordBatch.from_pylist(rows, schema)
