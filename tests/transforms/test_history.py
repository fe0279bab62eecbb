"""Histories without Beam, held against a slow and plain reference on random logs."""

import copy
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
    SEQUENCES,
    START,
    TASKS,
    assert_equal,
    events_of_all_tasks,
    features_of,
    histories,
    make_logs,
    slow_history,
    slow_label,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_inputs import decode, encode_rows, feedback

from transforms.config import DataConfig
from transforms.errors import ConfigError
from transforms.ingest.adapters.base import LogFile
from transforms.ingest.adapters.canonical import CanonicalLogs
from transforms.ingest.casting.fields import feedback_fields, impression_fields
from transforms.ingest.history.keys import key_sets
from transforms.ingest.history.opening import HistoryFile
from transforms.ingest.history.past import state_schema
from transforms.ingest.history.sums import Timeline, running_sums
from transforms.ingest.plan import IngestPlan, Inspected
from transforms.ingest.rows.messages import pack, unpack
from transforms.ingest.rows.slices import gathering, slices
from transforms.ingest.steps.add_history import add_history
from transforms.ingest.steps.history_messages import key_messages, label_totals
from transforms.ingest.steps.key_partition import KeyPartition
from transforms.ingest.steps.partition import label_partition
from transforms.section import load_section

CONFIG_SETS = key_sets(CONFIG)


def make_plan(until):
    fields = {"impressions": impression_fields(CONFIG, "ms", ()), "feedback": feedback_fields("ms")}
    file = Inspected(LogFile("impressions", "a", "a", None), {}, 0)
    start = HistoryFile("history.parquet", until) if until is not None else None
    return IngestPlan(CONFIG, CanonicalLogs((), "ms"), (file,), fields, start)


def to_batch(plan, rows, role):
    copied = {"key_country": "country", "feature_country": "country", "feature_age": "age"}
    copied |= {"feature_item_id": "item_id"}
    rows = [row | {new: row.get(old) for new, old in copied.items()} for row in rows]
    return pa.RecordBatch.from_pylist(
        [{**row, "source": 0, "row": n} for n, row in enumerate(rows)], plan.schema(role)
    )


def make_history(shown, events, state=None, totals=None, until=None, max_rows=1000):
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
    messages, until = [], until if until is not None else -1
    for group in sorted(groups.keys() | state.keys()):
        key_set = plan.key_sets[group[0]]
        before = unpack(state.get(group, []), state_schema([key_set]))
        with gathering(groups[group], max_rows) as runs:
            keys = KeyPartition(key_set, runs, before, until, max_rows)
            pieces = [piece for made in keys.statistics(totals) for _, piece in made]
        messages += [(group[0], pack(piece)) for piece in pieces]
        state[group] = [pack(keys.state_at(max(totals.last, until)))]
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
    """Also with labels that become known only after the end of the logs of their impressions.

    Not about the same but the same, to the last bit of every sum.
    """
    shown, events = make_logs(rows, events_of_all_tasks(events))
    bounds = [0, *(START + 600_000 * cut for cut in cuts), 2**62]
    found, state, totals, until = {}, None, None, None
    for first, end in itertools.pairwise(bounds):
        part = [row for row in shown if first <= row["timestamp"] < end]
        if part:
            more, state, totals = make_history(part, events, state, totals, until)
            found, until = found | more, totals.last
    assert_equal(found, slow_history(shown, events))
    whole, whole_state, whole_totals = make_history(shown, events)
    assert found == whole
    assert to_tables(state) == to_tables(whole_state)
    assert late_hours(totals) == late_hours(whole_totals)


def to_tables(state):
    """Partition of keys -> its rows."""
    return {
        (number, partition): unpack(messages, state_schema([CONFIG_SETS[number]])).to_pylist()
        for (number, partition), messages in state.items()
    }


def late_hours(totals):
    return {key: value for key, value in totals.bins.items() if key.is_late}


@settings(max_examples=50, deadline=None)
@given(LOGS, st.integers(1, 7))
def test_slices_of_time_change_no_bit(logs, max_rows):
    shown, events = make_logs(logs[0], events_of_all_tasks(logs[1]))
    whole, whole_state, _ = make_history(shown, events)
    sliced, sliced_state, _ = make_history(shown, events, max_rows=max_rows)
    assert sliced == whole
    assert to_tables(sliced_state) == to_tables(whole_state)


@settings(max_examples=20, deadline=None)
@given(LOGS, st.integers(0, 36), st.integers(1, 7))
def test_rows_up_to_the_end_of_a_history_are_sliced_too(logs, cut, max_rows):
    shown, events = make_logs(logs[0], events_of_all_tasks(logs[1]))
    early = [row for row in shown if row["timestamp"] <= START + 600_000 * cut]
    _, state, totals = make_history(early or shown, events)
    again = (dict(state), copy.deepcopy(totals), totals.last)
    whole = make_history(shown, events, *copy.deepcopy(again))
    sliced = make_history(shown, events, *again, max_rows=max_rows)
    assert sliced[0] == whole[0]
    assert to_tables(sliced[1]) == to_tables(whole[1])


@settings(max_examples=50, deadline=None)
@given(LOGS, st.integers(1, 1000))
def test_no_word_is_told_before_it_is_known(logs, max_rows):
    """Every impression has an item of its own, so each word gives away where it is from."""
    shown, events = make_logs(logs[0], events_of_all_tasks(logs[1]))
    shown = [row | {"item_id": f"i{n}"} for n, row in enumerate(shown)]
    place = {row["request_id"]: row["item_id"] for row in shown}
    events = [row | {"item_id": place[row["request_id"]]} for row in events]
    found, _, _ = make_history(shown, events, max_rows=max_rows)
    told = {
        task: {row["item_id"]: slow_label(task, row, events) for row in shown} for task in TASKS
    }
    told[None] = {row["item_id"]: (1.0, row["timestamp"]) for row in shown}
    for row in shown:
        for sequence, (task, column, _) in SEQUENCES.items():
            for item in found[row["request_id"]].get(f"user_{sequence}", []):
                if column == "item_id":
                    label, known = told[task][item]
                    assert label > 0 and known < row["timestamp"]


def test_a_planted_future_changes_nothing_before_it():
    """Clicks of the same millisecond and later, on impressions that came before."""
    shown, events = make_logs(
        [(0, item, "de", 10 * item) for item in range(3)],
        [(0, "click", 1, 0), (0, "stars", 3, 0)],
    )
    last = shown[-1]["timestamp"]
    planted = feedback(1, 1, timestamp=last)
    alone, with_future = (make_history(shown, e)[0]["r2"] for e in (events, [*events, planted]))
    assert alone["user_clicked"] == with_future["user_clicked"] == ["i0"]
    known = [*events, planted | {"timestamp": last - 1}]
    assert make_history(shown, known)[0]["r2"]["user_clicked"] == ["i1", "i0"]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**47)), min_size=1, max_size=20),
    st.sampled_from([6, 2**40]),
)
def test_a_timeline_sorts_by_key_and_time_however_many_there_are(pairs, keys):
    code, time = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    line = Timeline.of([time[:3], time[3:]], keys)
    numbers = line.at(code, time).tolist()
    assert sorted(zip(numbers, pairs, strict=True)) == sorted(
        zip(numbers, pairs, strict=True), key=lambda pair: pair[1]
    )
    assert len(set(numbers)) == len(set(pairs))
    assert (line.start(code) < line.at(code, time)).all()
    assert (line.at(code, time) < line.start(code + 1)).all()


def test_rows_of_one_moment_are_a_slice_however_many_they_are():
    schema = pa.schema([("timestamp", pa.int64()), ("n", pa.int64())])
    times = [[1, 2, 2, 2, 2, 3], [2, 2, 4, 5, 6]]
    runs = [
        pa.record_batch([pa.array(some), pa.array(range(len(some)))], schema=schema)
        for some in times
    ]
    found = [
        rows.column("timestamp").to_pylist()
        for rows in slices(runs, "timestamp", schema, (0, 9), 3)
    ]
    assert [set(rows) for rows in found] == [{1}, {2}, {3, 4}, {5, 6}]
    assert sorted(time for rows in found for time in rows) == sorted(times[0] + times[1])


def test_rows_that_are_more_than_may_wait_in_memory_wait_in_files(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    batch = pa.record_batch({"n": pa.array(range(10))})
    with gathering([pack(batch)] * 5, max_rows=25) as runs:
        assert len(list(tmp_path.glob("*/*.arrow"))) == 1
        assert [n for run in runs for n in run.column("n").to_pylist()] == [*range(10)] * 5
    assert not list(tmp_path.iterdir())


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), max_size=40).map(sorted),
)
def test_sums_stay_within_their_segment(pairs):
    segment = np.array([pair[0] for pair in pairs], np.int64)
    values = np.array([pair[1] for pair in pairs], np.float64)
    expected = [values[:n][segment[:n] == segment[n - 1]].sum() for n in range(1, len(pairs) + 1)]
    starts = np.flatnonzero(np.diff(segment, prepend=-1))
    assert running_sums(starts, values).tolist() == expected


def test_a_huge_label_of_one_key_leaves_the_others_alone():
    sums = running_sums(np.array([0, 1]), np.array([1e30, 0.25, 0.5]))
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
        ({"window": "10ms"}, r"`window` must be at least 1s. Received: 10ms"),
        ({"statistic": "age", "task": None, "window": "7d"}, r"`statistic: age` takes no `window`"),
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"column": "tags"},
            r"categorical feature of one word that `shares` none. Received: 'tags'",
        ),
        (
            {"column": "age"},
            r"user_rated: `column` must name a categorical .* Received: 'age'",
        ),
        ({"column": "user_gap"}, r"features.user_rated: `column` must name a categorical"),
        ({"task": "nothing"}, r"`task` must name a task. Received: 'nothing'"),
        ({"length": 1025}, r"features.user_rated.length: .*less than or equal to 1024"),
        ({"by": "item_id"}, r"the history of an item is `of: item`"),
        ({"window": "1d"}, r"features.user_rated.window: Extra inputs are not permitted"),
    ],
)
def test_a_sequence_that_makes_no_sense_is_refused(change, message):
    features = histories() | {"tags": {"of": "item", "kind": "categorical", "multivalued": True}}
    features["user_rated"] = features["user_rated"] | change
    document = CONFIG.model_dump(mode="json") | {"features": features}
    with pytest.raises(ConfigError, match=message):
        load_section(DataConfig, document, "ranker.yaml")


def test_a_history_may_not_take_the_name_of_a_key():
    by = {"of": "user", "kind": "history", "by": "user_id", "statistic": "count"}
    document = CONFIG.model_dump(mode="json") | {"features": {"user_id": by}}
    with pytest.raises(ConfigError, match=r"features.user_id: the name is taken in an example"):
        load_section(DataConfig, document, "ranker.yaml")
