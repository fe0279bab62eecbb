"""Where a span ends for feedback: which rows can belong to impressions on the other side."""

import numpy as np
import pyarrow as pa

from transforms.examples import TIMESTAMP
from transforms.ingest.joining.labels import event_windows
from transforms.ingest.plan import IngestPlan
from transforms.ingest.rows.arrays import Flags, Ints
from transforms.ingest.rows.columns import EVENT


def is_in_reach(feedback: pa.RecordBatch, plan: IngestPlan) -> Flags:
    """Which feedback of another span an impression of this one can have led to, [n].

    Args:
        feedback: checked; events as places in `config.events`, [n].
        plan: of a span.
    """
    assert plan.span is not None
    time, windows, skew = _times(feedback, plan)
    flags: Flags = (time >= plan.span.first - skew) & (time < plan.span.end + windows)
    return flags


def may_be_of_other_spans(orphans: pa.RecordBatch, plan: IngestPlan) -> Flags:
    """Which feedback without impression one of the span before or after can have led to, [n].

    Args:
        orphans: as in `is_in_reach`, [n].
        plan: if it is of no span, there is no other.
    """
    if plan.span is None:
        return np.zeros(orphans.num_rows, dtype=bool)
    time, windows, skew = _times(orphans, plan)
    flags: Flags = (time < plan.span.first + windows) | (time >= plan.span.end - skew)
    return flags


def _times(feedback: pa.RecordBatch, plan: IngestPlan) -> tuple[Ints, Ints, int]:
    """When each event was and how long it counts, [n], and the clock skew; milliseconds."""
    time, event = (feedback.column(name).to_numpy() for name in (TIMESTAMP, EVENT))
    skew = round(plan.config.logs.clock_skew.total_seconds() * 1000)
    return time, event_windows(plan.config)[event], skew
