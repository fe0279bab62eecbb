"""All that happens to one partition: join, labels, split, examples, dead letters, counts."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.config import DataConfig
from transforms.examples import KEYS, POSITION, TIMESTAMP, label_name, weight_name
from transforms.ingest.adapters.base import Role
from transforms.ingest.counting.tally import Tally
from transforms.ingest.dead_letters.files import refuse_rows
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.joining.join import Joined, join
from transforms.ingest.joining.labels import Attribution, Feedback, Labels, attribute, make_labels
from transforms.ingest.joining.splits import flag_eval
from transforms.ingest.plan import IngestPlan
from transforms.ingest.rows.columns import EVENT, ROW, SOURCE, feature_column
from transforms.ingest.steps.span_edges import may_be_of_other_spans
from transforms.section import format_duration


class Labelled(NamedTuple):
    """A partition after the join.

    Attributes:
        examples: their columns without history, by rising (timestamp, request, item).
        labels: of each task.
        joined: impressions in the order of the examples.
        feedback: what may count.
        dead_letters: of the join.
        tally: of what the join decides.
    """

    examples: pa.RecordBatch
    labels: dict[str, Labels]
    joined: Joined
    feedback: Feedback
    dead_letters: list[pa.RecordBatch]
    tally: Tally


def label_partition(
    plan: IngestPlan, impressions: pa.RecordBatch, feedback: pa.RecordBatch
) -> Labelled:
    """Joins and labels a partition.

    Args:
        plan: of the ingestion.
        impressions: all checked impressions of the partition, in any order.
        feedback: all checked feedback of the partition, in any order; events as places in
            `config.events`.
    """
    config, tally = plan.config, Tally()
    is_borrowed = plan.borrowed[feedback.column(SOURCE).to_numpy()]
    joined = join(impressions, feedback, is_borrowed)
    attribution = attribute(joined.impressions, joined.feedback, joined.owner, config)
    _tally_join(joined, attribution, tally)
    dead = _dead_letters(plan, joined, attribution, tally)
    labels = {
        task: make_labels(task, joined.impressions, attribution.feedback, config)
        for task in config.tasks
    }
    tally.span(joined.impressions.column(TIMESTAMP).to_numpy())
    for feature in config.column_features:
        missing = joined.impressions.column(feature_column(feature)).null_count
        tally.add("missing", feature, amount=missing)
    examples = _make_examples(joined.impressions, labels, config, plan.has_position)
    return Labelled(examples, labels, joined, attribution.feedback, dead, tally)


def pick_split(
    split: str,
    examples: pa.RecordBatch,
    config: DataConfig,
    eval_from: int | None,
    tally: Tally,
) -> pa.RecordBatch:
    """The examples of one split, which it counts with their labels.

    Args:
        split: its name.
        examples: of a partition, or a piece of it.
        config: the split and the tasks.
        eval_from: the first millisecond of the eval split, if the split is by time.
        tally: counts.
    """
    is_eval = flag_eval(examples, config.logs.split, eval_from)
    rows = examples.filter(pa.array(is_eval == (split == "eval")))
    tally.add("splits", split, amount=rows.num_rows)
    for task in config.tasks:
        _tally_labels(rows, task, split, tally)
    return rows


def _dead_letters(
    plan: IngestPlan, joined: Joined, attribution: Attribution, tally: Tally
) -> list[pa.RecordBatch]:
    letters: list[pa.RecordBatch] = []
    elsewhere = may_be_of_other_spans(joined.orphans, plan)
    tally.add("feedback", "other_spans", amount=int(elsewhere.sum()))
    joined = joined._replace(orphans=joined.orphans.filter(pa.array(~elsewhere)))
    for kind, rows, reason, rule in _refused(joined, attribution, plan.config):
        tally.add(kind, "dead", amount=rows.num_rows)
        if rows.num_rows:
            tally.add("dead_letters", reason.value, amount=rows.num_rows)
            letters += refuse_rows(kind, rows, reason, rule, plan.sources)
    return letters


def _refused(
    joined: Joined, attribution: Attribution, config: DataConfig
) -> Iterator[tuple[Role, pa.RecordBatch, Reason, str]]:
    """What the join refuses: kind, rows, reason and rule."""
    rule = "request_id and item_id must name an impression"
    conflicting = joined.conflicting.select([*KEYS, SOURCE, ROW])
    yield "impressions", conflicting, Reason.CONFLICTING_IMPRESSION, f"{rule} of one user"
    orphans = _with_event_names(joined.orphans, config)
    yield "feedback", orphans, Reason.FEEDBACK_WITHOUT_IMPRESSION, rule
    early = _with_event_names(joined.feedback.filter(pa.array(attribution.too_early)), config)
    rule = (
        f"feedback must be at most {format_duration(config.logs.clock_skew)} before its impression"
    )
    yield "feedback", early, Reason.FEEDBACK_BEFORE_IMPRESSION, rule


def _with_event_names(feedback: pa.RecordBatch, config: DataConfig) -> pa.RecordBatch:
    names = pa.array(config.events, pa.string()).take(feedback.column(EVENT))
    return feedback.set_column(feedback.schema.get_field_index(EVENT), EVENT, names)


def _make_examples(
    impressions: pa.RecordBatch, labels: dict[str, Labels], config: DataConfig, position: bool
) -> pa.RecordBatch:
    columns = {key: impressions.column(key) for key in KEYS}
    if position:
        columns[POSITION] = impressions.column(POSITION)
    for feature in config.column_features:
        columns.setdefault(feature, impressions.column(feature_column(feature)))
    for task, made in labels.items():
        columns[label_name(task)] = pa.array(made.label)
        columns[weight_name(task)] = pa.array(made.weight)
    return pa.record_batch(columns)


def _tally_join(joined: Joined, attribution: Attribution, tally: Tally) -> None:
    used = int(attribution.is_used.sum())
    tally.add("impressions", "examples", amount=joined.impressions.num_rows)
    tally.add("impressions", "duplicates", amount=joined.duplicates)
    tally.add("feedback", "read", amount=joined.borrowed)
    tally.add("feedback", "duplicates", amount=joined.feedback_duplicates)
    tally.add("feedback", "attributed", amount=used)
    tally.add("feedback", "outside_window", amount=len(attribution.is_used) - used)


def _tally_labels(rows: pa.RecordBatch, task: str, split: str, tally: Tally) -> None:
    label, weight = (rows.column(f(task)).to_numpy() for f in (label_name, weight_name))
    label = label[weight > 0]
    total = Fraction(float(label.sum(dtype=np.float64)))
    tally.add("labels", task, split, "examples", amount=len(label))
    tally.add("labels", task, split, "positives", amount=int((label > 0).sum()))
    tally.add("labels", task, split, "sum", amount=total)
