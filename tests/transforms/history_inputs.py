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


LOOK_BACK = 2 * HOUR
SEQUENCES = {
    "clicked": ("click", "item_id", 3),
    "clicked_in": ("click", "country", 2),
    "rated": ("stars", "item_id", 4),
    "shown": (None, "item_id", 5),
}


def histories():
    """All statistics and some sequences, by each of the keys."""
    features = {
        "age": {"of": "user", "kind": "numeric"},
        "item_id": {"of": "item", "kind": "categorical"},
        "country": {"of": "user", "kind": "categorical"},
    }
    for name, by in KEYS.items():
        whose = {"by": by, "of": "item" if name == "item" else "user"}
        base = whose | {"kind": "history"}
        features[f"{name}_count"] = base | {"statistic": "count"}
        features[f"{name}_gap"] = base | {"statistic": "hours_since"}
        features[f"{name}_age"] = base | {"statistic": "age"}
        features[f"{name}_count_2h"] = base | {"statistic": "count", "window": "2h"}
        for task in TASKS:
            mean = base | {"statistic": "mean", "task": task, "smoothing": 3}
            features[f"{name}_{task}"] = mean
            features[f"{name}_{task}_2h"] = mean | {"window": "2h"}
        for sequence, (task, column, length) in SEQUENCES.items():
            words = {"kind": "sequence", "task": task, "column": column, "length": length}
            features[f"{name}_{sequence}"] = whose | words
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
        result[f"{name}_count_2h"] = sum(is_recent(other, time) for other in earlier)
        if earlier:
            result[f"{name}_gap"] = (time - max(earlier)) / HOUR
            result[f"{name}_age"] = (time - min(earlier)) / HOUR
        for sequence, words in slow_words([shown[i] for i in same], time, told, same).items():
            if words:
                result[f"{name}_{sequence}"] = words
        for task, labels in told.items():
            mine = [labels[i] for i in same]
            mine = [(label, known) for label, known in mine if label is not None and known < time]
            recent = [label for label, known in mine if is_recent(known, time)]
            mine = [label for label, _ in mine]
            hour = time // HOUR * HOUR
            all_known = [label for label, known in labels if label is not None and known < hour]
            if all_known:
                prior = np.mean(all_known)
                result[f"{name}_{task}"] = (sum(mine) + 3 * prior) / (len(mine) + 3)
                result[f"{name}_{task}_2h"] = (sum(recent) + 3 * prior) / (len(recent) + 3)
            if (name, task) == ("both", "click") and mine:
                result["raw"] = np.mean(mine)
    return result


def is_recent(other, time):
    """Within the two hours before, in steps of five minutes."""
    step = LOOK_BACK // 24
    return time // step - 23 <= other // step


def slow_words(shown, time, told, places):
    """Sequence -> its words, the latest first."""
    found = {}
    for sequence, (task, column, length) in SEQUENCES.items():
        columns = sorted({other for t, other, _ in SEQUENCES.values() if t == task})
        known = []
        for row, place in zip(shown, places, strict=True):
            label, since = told[task][place] if task else (1, row["timestamp"])
            if since < time and label is not None and label > 0:
                words = [row[name] or "" for name in columns]
                known.append((since, row["timestamp"], words, row[column] or ""))
        known.sort(reverse=True)
        found[sequence] = [word for *_, word in known[:length]]
    return found


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
    return {row["request_id"][0].decode(): history_of(row) for row in examples}


def history_of(row):
    """The history of an example: numbers, and lists of words."""
    found = {}
    for name, feature in CONFIG.history_features.items():
        if name in row:
            is_list = feature.list_length is not None
            found[name] = [word.decode() for word in row[name]] if is_list else row[name][0]
    return found


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for request, features in expected.items():
        numbers, words = (
            [{n: v for n, v in row.items() if isinstance(v, list) == is_list}
             for row in (found[request], features)]
            for is_list in (False, True)
        )  # fmt: skip
        assert words[0] == words[1], request
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-5, abs=1e-6), request


def events_of_all_tasks(events):
    """Ingestion asks that somebody emits each event."""
    return [*events, (0, "click", 0, 0), (0, "stars", 1, 0)]
