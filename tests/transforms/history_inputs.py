"""Random logs with histories, and their plain and slow history, for tests."""

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import strategies as st
from ingest_inputs import START, feedback, impression, make_config

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
