"""The join of one partition of requests, in pieces if it has more rows than memory is meant for."""

import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow.compute as pc

from transforms.examples import ITEM_ID, REQUEST_ID
from transforms.ingest.plan import IngestPlan
from transforms.ingest.rows.arrays import join_batches
from transforms.ingest.rows.hashing import hash_text
from transforms.ingest.rows.messages import Message, cut, unpack
from transforms.ingest.rows.slices import Runs, gathering
from transforms.ingest.steps.partition import Labelled, label_partition

_SALT = "piece:"
_SEPARATOR = "\x1f"


def label_pieces(
    plan: IngestPlan, impressions: Iterable[Message], feedback: Iterable[Message]
) -> Iterator[Labelled]:
    """Joins and labels a partition; mostly it is one piece.

    A partition of more rows than `plan.max_rows`, such as one of a request that will not
    end, is cut by a hash of request and item, by which alone rows are joined.

    Args:
        plan: of the ingestion.
        impressions: all checked impressions of the partition, in any order.
        feedback: all its checked feedback, in any order.
    """
    schemas = plan.schema("impressions"), plan.schema("feedback")
    files = plan.max_rows, plan.shuffle
    with gathering(impressions, *files) as shown, gathering(feedback, *files) as events:
        count = -(-sum(run.num_rows for run in (*shown, *events)) // plan.max_rows)
        if count <= 1:
            yield label_partition(plan, *map(join_batches, (shown, events), schemas))
            return
        with tempfile.TemporaryDirectory(prefix="gaterank-pieces-", dir=plan.shuffle) as folder:
            pieces = [_cut(runs, count, folder) for runs in (shown, events)]
            for messages in zip(*pieces, strict=True):
                yield label_partition(plan, *map(unpack, messages, schemas))


def _cut(runs: Runs, count: int, folder: str) -> list[list[Message]]:
    """The messages of each piece."""
    pieces: list[list[Message]] = [[] for _ in range(count)]
    for run in runs:
        pair = pc.binary_join_element_wise(run[REQUEST_ID], run[ITEM_ID], _SEPARATOR)
        piece = (hash_text(pair, _SALT) % np.uint64(count)).astype(np.int64)
        for number, message in cut(run, piece, folder):
            pieces[number].append(message)
    return pieces
