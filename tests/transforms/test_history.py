"""Histories without Beam, held against a slow and plain reference on random logs."""

import itertools
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from history_inputs import (
    CONFIG,
    EVENTS,
    LOGS,
    ROWS,
    START,
    assert_equal,
    events_of_all_tasks,
    features_of,
    histories,
    make_logs,
    slow_history,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_inputs import decode, encode_rows

from transforms.config import DataConfig
from transforms.errors import ConfigError
from transforms.ingest.adapters.base import LogFile
from transforms.ingest.adapters.canonical import CanonicalLogs
from transforms.ingest.casting.fields import feedback_fields, impression_fields
from transforms.ingest.history.past import (
    pending_rows,
    state_schema,
    to_past,
    to_pending,
    to_rows,
)
from transforms.ingest.history.state import HistoryFile
from transforms.ingest.history.statistics import Histories
from transforms.ingest.history.sums import sums_within
from transforms.ingest.plan import IngestPlan, Inspected
from transforms.ingest.rows.arrays import join_batches
from transforms.ingest.rows.messages import pack, unpack
from transforms.ingest.steps.history_messages import add_history, key_messages, label_totals
from transforms.ingest.steps.partition import label_partition
from transforms.section import load_section


def make_plan(until):
    fields = {"impressions": impression_fields(CONFIG, "ms", ()), "feedback": feedback_fields("ms")}
    file = Inspected(LogFile("impressions", "a", "a", None), {}, 0)
    start = HistoryFile("history.parquet", until) if until is not None else None
    return IngestPlan(CONFIG, CanonicalLogs((), "ms"), (file,), fields, start)


def to_batch(plan, rows, role):
    renamed = {"country": "key_country", "age": "feature_age"}
    rows = [{renamed.get(k, k): v for k, v in row.items()} for row in rows]
    return pa.RecordBatch.from_pylist(
        [{**row, "source": 0, "row": n} for n, row in enumerate(rows)], plan.schema(role)
    )


def make_history(shown, events, state=None, totals=None, until=None):
    """(request -> features, state, totals), by one partition of requests and three of keys."""
    plan, state = make_plan(until), state or {}
    events = [{**row, "event": CONFIG.events.index(row["event"])} for row in events]
    ids = {row["request_id"] for row in shown}
    events = [row for row in events if row["request_id"] in ids]
    labelled = label_partition(
        plan, to_batch(plan, shown, "impressions"), to_batch(plan, events, "feedback")
    )
    totals = label_totals(plan, labelled).merge([totals] if totals else [])
    groups = defaultdict(list)
    for group, message in key_messages(plan, 0, labelled):
        groups[group].append(message)
    messages = []
    for number, partition in sorted(groups.keys() | state.keys()):
        key_set = plan.key_sets[number]
        before = state.get((number, partition))
        before = unpack([before] if before else [], state_schema(plan.history_tasks))
        rows = unpack(groups[number, partition], key_set.schema)
        past, pending = to_past(before, key_set), to_pending(before, key_set)
        made = Histories(key_set, rows, past, pending, until if until is not None else -1)
        messages.append((number, pack(made.statistics(totals))))
        end, tasks = max(totals.last, until if until is not None else -1), plan.history_tasks
        known = [
            to_rows(made.known_at(end), key_set, tasks),
            pending_rows(made.pending_at(end), key_set, tasks),
        ]
        state[number, partition] = pack(join_batches(known, state_schema(tasks)))
    examples = add_history(plan, labelled.examples, messages)
    return features_of(decode(encode_rows(examples))), state, totals


@settings(max_examples=50, deadline=None)
@given(LOGS)
def test_the_vectorised_history_is_the_plain_one(logs):
    shown, events = make_logs(logs[0], events_of_all_tasks(logs[1]))
    found, _, _ = make_history(shown, events)
    assert_equal(found, slow_history(shown, events))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(ROWS, min_size=2, max_size=30),
    st.lists(EVENTS, max_size=30),
    st.lists(st.integers(0, 36), min_size=1, max_size=3).map(sorted),
)
def test_going_on_from_a_history_is_like_having_read_all_logs(rows, events, cuts):
    """Also with labels that become known only after the end of the logs of their impressions."""
    shown, events = make_logs(rows, events_of_all_tasks(events))
    bounds = [0, *(START + 600_000 * cut for cut in cuts), 2**62]
    found, state, totals, until = {}, None, None, None
    for first, end in itertools.pairwise(bounds):
        part = [row for row in shown if first <= row["timestamp"] < end]
        if part:
            more, state, totals = make_history(part, events, state, totals, until)
            found, until = found | more, totals.last
    assert_equal(found, slow_history(shown, events))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), max_size=40).map(sorted),
)
def test_sums_stay_within_their_segment(pairs):
    segment = np.array([pair[0] for pair in pairs], np.int64)
    values = np.array([pair[1] for pair in pairs], np.float64)
    expected = [values[:n][segment[:n] == segment[n - 1]].sum() for n in range(1, len(pairs) + 1)]
    assert sums_within(segment, values).tolist() == expected


def test_a_huge_label_of_one_key_leaves_the_others_alone():
    sums = sums_within(np.array([0, 1, 1]), np.array([1e30, 0.25, 0.5]))
    assert sums.tolist() == [1e30, 0.25, 0.75]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "nothing"}, r"features.user_click: `task` must name a task. Received: 'nothing'"),
        ({"task": None}, r"features.user_click: `statistic: mean` needs `task`"),
        ({"statistic": "count"}, r"`statistic: count` takes no `task`. Received: task='click'"),
        ({"by": "request_id"}, r"`request_id` names an impression and cannot be an input"),
        ({"by": "click"}, r"known before the impression. Received: by='click'"),
        ({"by": ["item_id", "item_id"]}, r"`by` must name a column once"),
        ({"by": ["user_id", "item_id"]}, r"the history of an item is `of: item`"),
        ({"smoothing": -1}, r"features.user_click.smoothing: .*greater than or equal to 0"),
        ({"column": "age"}, r"features.user_click.column: Extra inputs are not permitted"),
    ],
)
def test_a_history_that_makes_no_sense_is_refused(change, message):
    features = histories()
    features["user_click"] = features["user_click"] | change
    document = CONFIG.model_dump(mode="json") | {"features": features}
    with pytest.raises(ConfigError, match=message):
        load_section(DataConfig, document, "ranker.yaml")


def test_a_history_may_not_take_the_name_of_a_key():
    by = {"of": "user", "kind": "history", "by": "user_id", "statistic": "count"}
    document = CONFIG.model_dump(mode="json") | {"features": {"user_id": by}}
    with pytest.raises(ConfigError, match=r"features.user_id: the name is taken in an example"):
        load_section(DataConfig, document, "ranker.yaml")
