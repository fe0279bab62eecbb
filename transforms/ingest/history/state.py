"""What is known at the end of an ingestion: the file `history.parquet`.

One row a key: `by` (the columns, separated by commas), `key` (`hash_text` of its values
joined by U+001F, with the salt `history:<by>:`), `count` and `last` (milliseconds) of its
impressions, and for each task the number `n_<task>` and sum `s_<task>` of the labels known.
A row whose `known` is not -1 is one label more of the key that becomes known only then, after
the file's end. Rows whose `by` is empty are hours: `key` counts them since the epoch, and `n_`
and `s_` tell of the labels that become known in that hour. The file's metadata say up to when
it knows.
"""

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import InputError
from transforms.ingest.history.keys import KEY, KeySet
from transforms.ingest.history.past import HOURS, state_schema
from transforms.ingest.history.priors import Bin, Totals
from transforms.storage import locate, write_whole

HISTORY_FILE = "history.parquet"
_FORMAT = 2
_METADATA = b"gaterank"


class HistoryFile(NamedTuple):
    """A history to start from.

    Attributes:
        path: of the file.
        until: the latest impression in it, milliseconds.
    """

    path: str
    until: int


def open_history(path: str, key_sets: Iterable[KeySet]) -> HistoryFile:
    """Looks at a file of an earlier ingestion.

    Raises:
        InputError: if it is no such file, or lacks a key or a task that the config needs.
    """
    try:
        with pq.ParquetFile(_open(path)) as file:
            schema, metadata = file.schema_arrow, file.metadata.metadata or {}
        head = json.loads(metadata[_METADATA])
        known, until = head["by"], int(head["until"])
        assert head["format"] == _FORMAT
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AssertionError) as error:
        raise InputError(
            f"{path}: must be a history of format {_FORMAT}: {str(error)[:200]}"
        ) from None
    for key_set in key_sets:
        if key_set.name not in known:
            raise InputError(
                f"{path}: must have the history by {key_set.name!r}. It has {sorted(known)}"
            )
    tasks = {task for key_set in key_sets for task in key_set.tasks}
    expected = state_schema(tasks)
    for field in expected:
        if field.name not in schema.names or schema.field(field.name).type != field.type:
            raise InputError(f"{path}: must have a column `{field.name}` of type {field.type}")
    return HistoryFile(path, until)


def read_history(path: str, tasks: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a history, with the columns of these tasks."""
    schema = state_schema(tasks)
    with pq.ParquetFile(_open(path)) as file:
        for batch in file.iter_batches(columns=schema.names):
            yield batch.select(schema.names)


def to_totals(hours: pa.RecordBatch, tasks: Iterable[str]) -> Totals:
    """Rows of hours as totals, seen by impressions after the history."""
    totals = Totals()
    for task in tasks:
        columns = (hours.column(name).to_pylist() for name in (KEY, f"n_{task}", f"s_{task}"))
        for hour, number, total in zip(*columns, strict=True):
            if number:
                totals.add(Bin(task, True, hour), number, Fraction(total))
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
        batches: rows of keys and of labels to come, in any order.
        totals: the hours.
        key_sets: all there are.
        until: the latest impression.
    """
    tasks = sorted({task for key_set in key_sets for task in key_set.tasks})
    head = {"format": _FORMAT, "until": until, "by": [key_set.name for key_set in key_sets]}
    schema = state_schema(tasks)
    table = pa.Table.from_batches([_hours(totals, tasks), *batches], schema)
    table = table.sort_by([(name, "ascending") for name in table.column_names])
    table = table.replace_schema_metadata({_METADATA: json.dumps(head)})
    with write_whole(path) as stream:
        pq.write_table(table, stream, compression="zstd")


def _hours(totals: Totals, tasks: list[str]) -> pa.RecordBatch:
    hours = sorted({key.hour for key in totals.bins if key.is_late})
    bins = [[totals.bins.get(Bin(t, True, h), (0, Fraction(0))) for h in hours] for t in tasks]
    none, zero = [-1] * len(hours), [0] * len(hours)
    columns: list[list[Any]] = [[HOURS] * len(hours), hours, none, zero, none]
    columns += [[number for number, _ in of_task] for of_task in bins]
    columns += [[float(total) for _, total in of_task] for of_task in bins]
    schema = state_schema(tasks)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _open(path: str) -> pa.NativeFile:
    file_system, inner = locate(path)
    return file_system.open_input_file(inner)
