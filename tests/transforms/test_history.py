"""History features, held against a slow and plain reference, and against planted leaks."""

import math
from datetime import timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_inputs import START, feedback, impression, make_config, write_parquet
from ingest_runs import ingest, read_examples

from transforms.errors import InputError
from transforms.examples import SPLITS
from transforms.ingest.pipeline import build_ingest, make_local_pipeline, run_ingest
from transforms.ingest.write_examples import IngestOutputs

HOUR = 3_600_000
MASKED = {"aggregation": "last", "transform": "log1p", "window": "2h"}
TASKS = {
    "click": {"kind": "classification", "group": "all", "label": {"event": "click"}},
    "stars": {"kind": "regression", "group": "all", "label": {"event": "stars", **MASKED}},
}
KEYS = {"user": "user_id", "item": "item_id", "both": ["user_id", "country"]}
WINDOWS = {"click": timedelta(days=1), "stars": timedelta(hours=2)}


def histories():
    """A mean of each task, a count and the hours since, by each of the keys."""
    features = {"age": {"of": "user", "kind": "numeric"}}
    for name, by in KEYS.items():
        base = {"kind": "history", "by": by, "of": "item" if name == "item" else "user"}
        features[f"{name}_count"] = base | {"statistic": "count"}
        features[f"{name}_gap"] = base | {"statistic": "hours_since"}
        for task in TASKS:
            features[f"{name}_{task}"] = base | {"statistic": "mean", "task": task, "smoothing": 3}
    features["raw"] = base | {"statistic": "mean", "task": "click", "smoothing": 0}
    return features


CONFIG = make_config(tasks=TASKS, features=histories(), partitions=3)

# ---------------------------------------------------------------- the reference


def slow_label(task, row, events):
    """(label or None, when it is known), event by event."""
    window = WINDOWS[task].total_seconds() * 1000
    mine = [
        e
        for e in sorted(events, key=lambda e: (e["timestamp"], e["value"]))
        if e["request_id"] == row["request_id"]
        and e["event"] == task
        and e["timestamp"] - row["timestamp"] <= window
    ]
    known = max([row["timestamp"], *(e["timestamp"] for e in mine)])
    if task == "click":
        return float(any(e["value"] > 0 for e in mine)), known
    return (math.log1p(mine[-1]["value"]) if mine else None), known


def slow_key(name, row):
    columns = [KEYS[name]] if isinstance(KEYS[name], str) else KEYS[name]
    values = tuple(row[column] for column in columns)
    return None if None in values else values


def slow_history(shown, events):
    """Request -> feature -> value, each impression against each other one."""
    told = {task: [slow_label(task, row, events) for row in shown] for task in TASKS}
    return {row["request_id"]: slow_features(row, shown, told) for row in shown}


def slow_features(row, shown, told):
    time, result = row["timestamp"], {}
    for name in KEYS:
        key = slow_key(name, row)
        if key is None:
            continue
        same = [i for i, other in enumerate(shown) if slow_key(name, other) == key]
        earlier = [shown[i]["timestamp"] for i in same if shown[i]["timestamp"] < time]
        result[f"{name}_count"] = len(earlier)
        if earlier:
            result[f"{name}_gap"] = (time - max(earlier)) / HOUR
        for task, labels in told.items():
            mine = [labels[i] for i in same]
            mine = [label for label, known in mine if label is not None and known < time]
            hour = time // HOUR * HOUR
            all_known = [label for label, known in labels if label is not None and known < hour]
            if all_known:
                prior = np.mean(all_known)
                result[f"{name}_{task}"] = (sum(mine) + 3 * prior) / (len(mine) + 3)
            if (name, task) == ("both", "click") and mine:
                result["raw"] = np.mean(mine)
    return result


def make_logs(rows, events):
    """Impressions of a few users and items within six hours, and their feedback."""
    shown = [
        impression(
            request,
            item,
            user_id=f"u{user}",
            country=country,
            timestamp=START + 600_000 * minutes,
        )
        for request, (user, item, country, minutes) in enumerate(rows)
    ]
    feed = [
        feedback(
            int(row["request_id"][1:]), int(row["item_id"][1:]), event=event, value=value,
            timestamp=row["timestamp"] + 600_000 * delay,
        )
        for row, (event, value, delay) in ((shown[n % len(shown)], rest) for n, *rest in events)
    ]  # fmt: skip
    return shown, feed


ROWS = st.tuples(
    st.integers(0, 2), st.integers(0, 2), st.sampled_from(["de", "cn", None]), st.integers(0, 36)
)
EVENTS = st.tuples(
    st.integers(0, 99), st.sampled_from(["click", "stars"]), st.integers(0, 3), st.integers(0, 15)
)
LOGS = st.tuples(st.lists(ROWS, min_size=1, max_size=30), st.lists(EVENTS, min_size=1, max_size=30))


def features_of(examples):
    names = CONFIG.history_features
    return {
        row["request_id"][0].decode(): {n: row[n][0] for n in names if n in row} for row in examples
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for request, features in expected.items():
        assert found[request] == pytest.approx(features, rel=1e-5, abs=1e-6), request


def events_of_all_tasks(events):
    """Ingestion asks that somebody emits each event."""
    return [*events, (0, "click", 0, 0), (0, "stars", 1, 0)]


# ---------------------------------------------------------------- the tests


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(LOGS)
def test_the_vectorised_history_is_the_plain_one(tmp_path_factory, logs):
    rows, events = logs
    shown, events = make_logs(rows, events_of_all_tasks(events))
    folder = tmp_path_factory.mktemp("logs")
    make_without_checks(folder / "logs", folder / "out", shown, events)
    assert_equal(features_of(read_examples(folder)), slow_history(shown, events))


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ROWS, min_size=2, max_size=30), st.integers(1, 36), st.data())
def test_starting_from_a_history_is_like_having_read_all_logs(tmp_path_factory, rows, cut, data):
    events = data.draw(st.lists(EVENTS.map(lambda e: (*e[:3], 0)), max_size=30))
    shown, events = make_logs(rows, events_of_all_tasks(events))
    bound = START + 600_000 * cut
    folder = tmp_path_factory.mktemp("logs")
    early = [row for row in shown if row["timestamp"] < bound]
    late = [row for row in shown if row["timestamp"] >= bound]
    if not early or not late:
        return
    make_without_checks(folder / "one", folder / "first", early, events)
    state = str(folder / "first" / "dead_letters" / "history.parquet")
    make_without_checks(folder / "two", folder / "out", late, events, state)
    expected = slow_history(shown, events)
    ids = {row["request_id"] for row in late}
    found = features_of(read_examples(folder))
    assert_equal(found, {request: expected[request] for request in ids})
    make_without_checks(folder / "all", folder / "whole", shown, events)
    carried, whole = (
        pq.read_table(folder / name / "dead_letters" / "history.parquet").to_pylist()
        for name in ("out", "whole")
    )
    assert len(carried) == len(whole)
    for one, other in zip(carried, whole, strict=True):
        assert one == pytest.approx(other)


def make_without_checks(logs, out, shown, events, history=None):
    """Ingests without asking that each split has an example."""
    write_parquet(logs / "impressions" / "a.parquet", shown)
    write_parquet(logs / "feedback" / "a.parquet", events)
    outputs = IngestOutputs(*(str(out / f"Split-{s}") for s in SPLITS), str(out / "dead_letters"))
    with make_local_pipeline() as pipeline:
        build_ingest(pipeline, CONFIG, str(logs), outputs, history)


def test_a_label_that_only_the_future_could_tell_stays_unknown(tmp_path):
    """Each user sees one item twice, the first click is the second one's, and never earlier."""
    rng = np.random.default_rng(0)
    shown, events, labels = [], [], {}
    for request in range(2000):
        user = request // 2
        shown.append(impression(request, user_id=f"u{user}", timestamp=START + 9000 * request))
        first = labels.get(user, rng.random() < 0.5)
        labels[user] = first
        if first:
            events.append(feedback(request, timestamp=START + 9000 * request))
    ingest(tmp_path, CONFIG, shown, [
        *events, feedback(0, event="stars", value=1.0)
    ])  # fmt: skip
    examples = read_examples(tmp_path)
    firsts = [e for e in examples if int(e["request_id"][0][1:]) % 2 == 0 and "user_click" in e]
    clicks, rates = (
        np.array([e[name][0] for e in firsts]) for name in ("label_click", "user_click")
    )
    gap = rates[clicks == 1].mean() - rates[clicks == 0].mean()
    assert abs(gap) < 0.01
    seconds = [e for e in examples if int(e["request_id"][0][1:]) % 2 == 1 and "user_click" in e]
    clicks, rates = (
        np.array([e[name][0] for e in seconds]) for name in ("label_click", "user_click")
    )
    assert rates[clicks == 1].mean() - rates[clicks == 0].mean() > 0.2


def test_impressions_of_one_request_do_not_see_each_other(tmp_path):
    shown = [impression(n, timestamp=START) for n in range(2)]
    shown += [impression(7, item, user_id="u1", timestamp=START + 2 * HOUR) for item in range(3)]
    events = [feedback(0), feedback(0, event="stars", value=1.0)]
    events += [feedback(7, item, timestamp=START + 2 * HOUR) for item in range(3)]
    ingest(tmp_path, CONFIG, shown, events)
    found = [row for row in read_examples(tmp_path) if row["request_id"] == [b"r7"]]
    assert [row["user_count"] for row in found] == [[1.0]] * 3
    assert len({row["user_click"][0] for row in found}) == 1


def test_impressions_up_to_the_end_of_a_history_ignore_it(tmp_path):
    shown = [impression(n, user_id="u", timestamp=START + n * HOUR) for n in range(20)]
    events = [feedback(n, timestamp=START + n * HOUR) for n in range(0, 20, 2)]
    events.append(feedback(0, event="stars", value=1.0))
    ingest(tmp_path, CONFIG, shown, events)
    alone = read_examples(tmp_path)
    state = tmp_path / "state.parquet"
    (tmp_path / "out" / "dead_letters" / "history.parquet").rename(state)
    run_ingest(CONFIG, str(tmp_path / "logs"), str(tmp_path / "out"), history=str(state))
    assert read_examples(tmp_path) == alone
    again = pq.read_table(tmp_path / "out" / "dead_letters" / "history.parquet")
    assert again.equals(pq.read_table(state))


def test_a_file_that_is_no_history_is_refused(tmp_path):
    path = tmp_path / "history.parquet"
    path.write_bytes(b"no parquet")
    write_parquet(tmp_path / "logs" / "impressions.parquet", [impression(0)])
    with pytest.raises(InputError, match=r"history\.parquet: must be a history of format 1"):
        run_ingest(CONFIG, str(tmp_path / "logs"), str(tmp_path / "out"), history=str(path))
