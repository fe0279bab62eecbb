"""What comes back to a partition of requests: the history of each of its examples."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from transforms.ingest.history.keys import PLACE
from transforms.ingest.plan import IngestPlan
from transforms.ingest.rows.arrays import Ints
from transforms.ingest.rows.messages import Message, read_batches


def add_history(
    plan: IngestPlan, examples: pa.RecordBatch, messages: Iterable[tuple[int, Message]]
) -> pa.RecordBatch:
    """Adds the history features to the examples of a partition; null where nothing is known.

    Args:
        plan: of the ingestion.
        examples: [n].
        messages: (number of the key set, statistics of some of the examples).
    """
    told: dict[int, list[pa.RecordBatch]] = {number: [] for number in range(len(plan.key_sets))}
    for number, message in messages:
        told[number] += read_batches(message)
    made: dict[str, pa.Array] = {}
    for number, key_set in enumerate(plan.key_sets):
        batches, size = told[number], examples.num_rows
        made |= {name: _numbers(name, batches, size) for name in key_set.numbers}
        made |= {name: _lists(name, batches, size) for name in key_set.sequences}
    for name in plan.config.history_features:
        examples = examples.append_column(name, made[name])
    return examples


def _numbers(name: str, batches: Sequence[pa.RecordBatch], size: int) -> pa.Array:
    values = np.full(size, np.nan, np.float32)
    for rows in batches:
        there = rows.column(name).to_numpy(zero_copy_only=False)
        values[rows.column(PLACE).to_numpy()] = there
    return pa.array(values, mask=np.isnan(values))


def _lists(name: str, batches: Sequence[pa.RecordBatch], size: int) -> pa.ListArray:
    """The lists of words, each told once for rows that follow each other."""
    lists, words = [pa.array([], pa.list_(pa.int32()))], [pa.array([], pa.string())]
    place_of_list = np.full(size, -1)
    num_lists = num_words = 0
    for rows in batches:
        column = rows.column(name)
        is_told = column.is_valid().to_numpy(zero_copy_only=False)
        place_of_list[rows.column(PLACE).to_numpy()] = num_lists + np.cumsum(is_told) - 1
        told = column.filter(pa.array(is_told))
        codes = told.flatten()
        numbers = codes.indices.to_numpy() + np.int32(num_words)
        lists.append(_as_lists(told.value_lengths().to_numpy(), pa.array(numbers)))
        words.append(codes.dictionary)
        num_lists, num_words = num_lists + len(told), num_words + len(codes.dictionary)
    every = pa.concat_arrays(lists)
    is_empty = np.append(every.value_lengths().to_numpy() == 0, True)
    found = every.take(pa.array(place_of_list, mask=is_empty[place_of_list]))
    sizes = found.value_lengths().fill_null(0).to_numpy()
    text = pa.concat_arrays(words).take(found.flatten())
    return _as_lists(sizes, text, pa.array(sizes == 0))


def _as_lists(sizes: Ints, values: pa.Array, is_null: pa.Array | None = None) -> pa.ListArray:
    offsets = pa.array(np.append(0, np.cumsum(sizes)).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, values, mask=is_null)
