"""What a partition of requests sends to the partitions of keys."""

from collections.abc import Iterator

import numpy as np

from transforms.examples import TIMESTAMP
from transforms.ingest.history.keys import KEY, make_key_rows
from transforms.ingest.history.priors import Totals
from transforms.ingest.joining.labels import known_after
from transforms.ingest.plan import IngestPlan
from transforms.ingest.rows.messages import Message, cut
from transforms.ingest.rows.partitions import partition_by_key
from transforms.ingest.steps.partition import Labelled


def label_totals(plan: IngestPlan, labelled: Labelled) -> Totals:
    """The labels of a partition, by the hour in which they became known."""
    totals = Totals()
    time = labelled.joined.impressions.column(TIMESTAMP).to_numpy()
    until = plan.history.until if plan.history else -1
    totals.last = int(time.max(initial=-1))
    for task in plan.mean_tasks:
        label, weight = labelled.labels[task]
        delay = known_after(task, len(time), labelled.feedback, plan.config)
        rows = np.flatnonzero(weight > 0)
        known = (time + delay)[rows]
        totals.add_labels(task, label[rows].astype(np.float64), time[rows], known, until)
    return totals


def key_messages(
    plan: IngestPlan, shard: int, labelled: Labelled
) -> Iterator[tuple[tuple[int, int], Message]]:
    """((number of the key set, partition of the key), rows by rising time).

    Args:
        plan: of the ingestion.
        shard: which piece of which partition it is, as one number.
        labelled: the piece.
    """
    for number, key_set in enumerate(plan.key_sets):
        rows = make_key_rows(
            key_set,
            shard,
            labelled.joined.impressions,
            labelled.labels,
            labelled.feedback,
            plan.config,
        )
        to = partition_by_key(rows.column(KEY), plan.config.logs.partitions)
        for key_partition, message in cut(rows, to, plan.shuffle):
            yield (number, key_partition), message
