"""Inside one partition: which impressions are examples, and whose feedback each row is.

Requests and items become numbers through one dictionary over both tables, so two rows
belong together exactly if their texts are equal; no hash can mix them up.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.examples import ITEM_ID, REQUEST_ID, TIMESTAMP, USER_ID
from transforms.ingest.rows.arrays import Flags, Ints
from transforms.ingest.rows.columns import EVENT, ROW, SOURCE, VALUE


class Joined(NamedTuple):
    """The impressions of a partition and the feedback that belongs to them.

    Attributes:
        impressions: one row an impression, by rising (timestamp, request_id, item_id); [n].
        duplicates: how many rows more there were for the same impressions.
        conflicting: rows that give an impression to another user.
        feedback: rows with an impression, each once, by rising (timestamp, value); [m].
        owner: place of the impression of each, int64 [m].
        feedback_duplicates: how many rows were equal to one of the others.
        orphans: feedback rows without an impression, borrowed ones left out.
        borrowed: how many borrowed rows have an impression, equal ones included.
    """

    impressions: pa.RecordBatch
    duplicates: int
    conflicting: pa.RecordBatch
    feedback: pa.RecordBatch
    owner: Ints
    feedback_duplicates: int
    orphans: pa.RecordBatch
    borrowed: int


def join(impressions: pa.RecordBatch, feedback: pa.RecordBatch, is_borrowed: Flags) -> Joined:
    """Joins all impressions and all feedback of a partition.

    Of several rows of one impression the first by (timestamp, source, row) counts. The
    result does not depend on the order of the rows.

    Args:
        impressions: of the partition.
        feedback: of the partition, [all].
        is_borrowed: which of it is of another span and counts only with an impression, [all].
    """
    ids, feedback_ids = _number(impressions, feedback)
    kept, first_of = _first_rows(impressions, ids)
    conflicts = _conflicts(impressions, kept, first_of)
    order = _sorted(impressions, kept, (TIMESTAMP, REQUEST_ID, ITEM_ID))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    slot = np.searchsorted(ids[kept], feedback_ids)
    found = slot < len(kept)
    found[found] = ids[kept][slot[found]] == feedback_ids[found]
    unique = _distinct(feedback, feedback_ids, is_borrowed)
    again = found | ~is_borrowed
    again[unique] = False
    matched = unique[found[unique]]
    return Joined(
        impressions.take(pa.array(kept[order])),
        len(ids) - len(kept) - int(conflicts.sum()),
        impressions.take(pa.array(np.flatnonzero(conflicts))),
        feedback.take(pa.array(matched)),
        place[slot[matched]],
        int(again.sum()),
        feedback.take(pa.array(unique[~(found | is_borrowed)[unique]])),
        int((found & is_borrowed).sum()),
    )


def _number(impressions: pa.RecordBatch, feedback: pa.RecordBatch) -> tuple[Ints, Ints]:
    """One number for each pair of request and item, the same in both tables."""
    requests, _ = _encode(impressions.column(REQUEST_ID), feedback.column(REQUEST_ID))
    items, num_items = _encode(impressions.column(ITEM_ID), feedback.column(ITEM_ID))
    pairs = requests * num_items + items
    return pairs[: impressions.num_rows], pairs[impressions.num_rows :]


def _encode(first: pa.Array, second: pa.Array) -> tuple[Ints, int]:
    encoded = pa.concat_arrays([first, second]).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _first_rows(rows: pa.RecordBatch, ids: Ints) -> tuple[Ints, Ints]:
    """The row that counts for each id, by rising id, and for each row the one of its id."""
    keys = [rows.column(name).to_numpy() for name in (ROW, SOURCE, TIMESTAMP)]
    order = np.lexsort((*keys, ids))
    is_first = np.append(True, np.diff(ids[order]) != 0)[: len(ids)]
    first_of = np.empty_like(order)
    first_of[order] = order[is_first][np.cumsum(is_first) - 1]
    return order[is_first], first_of


def _conflicts(rows: pa.RecordBatch, kept: Ints, first_of: Ints) -> Flags:
    if len(kept) == rows.num_rows:
        return np.zeros(rows.num_rows, dtype=bool)
    users = rows.column(USER_ID)
    differs: Flags = pc.not_equal(users, users.take(pa.array(first_of))).to_numpy(
        zero_copy_only=False
    )
    return differs.astype(bool)


def _distinct(feedback: pa.RecordBatch, ids: Ints, is_borrowed: Flags) -> Ints:
    """The first row, by (source, row), of each set of equal rows, by rising (time, value).

    A row of the span itself goes before borrowed ones.
    """
    names = (ROW, SOURCE, EVENT, VALUE, TIMESTAMP)
    row, source, event, value, time = (feedback.column(name).to_numpy() for name in names)
    order = np.argsort(time, kind="stable")
    # Few rows are of the same time, and only these have to be sorted by the other columns.
    is_tie = np.diff(time[order]) == 0
    tied = np.flatnonzero(np.append(is_tie, False) | np.append(False, is_tie)[: len(order)])
    rows = order[tied]
    keys = (row, source, is_borrowed, ids, event, value, time)
    rows = rows[np.lexsort([key[rows] for key in keys])]
    order[tied] = rows
    new = np.ones(len(order), dtype=bool)
    same = [np.diff(column[rows]) == 0 for column in (ids, event, value, time)]
    new[tied[1:][np.logical_and.reduce(same)]] = False
    distinct: Ints = order[new]
    return distinct


def _sorted(rows: pa.RecordBatch, kept: Ints, names: tuple[str, ...]) -> Ints:
    """The places in `kept` by rising columns."""
    keys = rows.select(names).take(pa.array(kept))
    order: Ints = pc.sort_indices(keys, [(name, "ascending") for name in names]).to_numpy()
    return order.astype(np.int64)
