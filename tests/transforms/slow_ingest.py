"""Join and labels row by row, slow and plain, and random logs to hold ingestion against it."""

import math
from collections import Counter
from datetime import timedelta

from hypothesis import strategies as st
from ingest_inputs import make_config

SKEW = 2000
TASKS = {
    "click": {
        "kind": "classification",
        "group": "engagement",
        "label": {"event": "click", "window": "5s"},
    },
    "clicks": {
        "kind": "regression",
        "group": "engagement",
        "label": {"event": "click", "aggregation": "count", "window": "20s"},
    },
    "watch": {
        "kind": "regression",
        "group": "engagement",
        "label": {
            **{"event": "watch", "aggregation": "sum", "transform": "log1p", "window": "12s"}
        },
        "mask": {"event": "click"},
    },
    "longest": {
        "kind": "classification",
        "group": "engagement",
        "label": {"event": "watch", "aggregation": "max", "at_least": 2, "window": "10s"},
    },
    "rating": {
        "kind": "regression",
        "group": "satisfaction",
        "label": {"event": "rate", "aggregation": "last", "window": "8s"},
        "mask": {"column": "country", "is_in": ["de"]},
    },
    "rating_or_3": {
        "kind": "regression",
        "group": "satisfaction",
        "label": {
            **{"event": "rate", "aggregation": "last", "window": "15s"},
            **{"default": 3, "transform": "log1p"},
        },
    },
}
CONFIG = make_config(tasks=TASKS, clock_skew="2s")


def slow_join(shown, events):
    """(key -> impression, key -> its feedback, outcomes), row by row."""
    outcomes = Counter()
    kept = {}
    for row in sorted(shown, key=lambda r: (r["timestamp"], r["source"], r["row"])):
        key = (row["request_id"], row["item_id"])
        if key not in kept:
            kept[key] = row
            outcomes["examples"] += 1
        elif kept[key]["user_id"] == row["user_id"]:
            outcomes["duplicate_impressions"] += 1
        else:
            outcomes["conflicting_impression"] += 1
    seen, belongs = set(), {key: [] for key in kept}
    for row in events:
        key = (row["request_id"], row["item_id"])
        content = (*key, row["event"], row["value"], row["timestamp"])
        if content in seen:
            outcomes["duplicate_feedback"] += 1
            continue
        seen.add(content)
        if key not in kept:
            outcomes["feedback_without_impression"] += 1
        elif row["timestamp"] < kept[key]["timestamp"] - SKEW:
            outcomes["feedback_before_impression"] += 1
        else:
            delay = max(0, row["timestamp"] - kept[key]["timestamp"])
            belongs[key].append({**row, "delay": delay})
            outcomes["attributed" if slow_is_used(row["event"], delay) else "outside_window"] += 1
    return kept, belongs, outcomes


def window_of(task):
    return task.label.window / timedelta(milliseconds=1)


def slow_is_used(event, delay):
    return any(
        delay <= window_of(task) and event in (task.label.event, task.mask and task.mask.event)
        for task in CONFIG.tasks.values()
    )


def slow_label(task, shown, events):
    """(label, weight) of one impression."""
    inside = [row for row in events if row["delay"] <= window_of(task)]
    rows = sorted(
        (row for row in inside if row["event"] == task.label.event),
        key=lambda row: (row["timestamp"], row["value"]),
    )
    values = [row["value"] for row in rows]
    mask = task.mask
    if mask and mask.event and mask.event not in {row["event"] for row in inside}:
        return 0.0, 0.0
    if mask and mask.column and shown[mask.column] not in mask.is_in:
        return 0.0, 0.0
    if not values and task.label.value_without_event is None:
        return 0.0, 0.0
    if not values:
        label = task.label.value_without_event
    else:
        label = {
            "any": lambda: float(any(value > 0 for value in values)),
            "count": lambda: float(len(values)),
            "sum": lambda: sum(values),
            "max": lambda: max(values),
            "last": lambda: values[-1],
        }[task.label.aggregation]()
        if task.label.at_least is not None:
            label = float(label >= task.label.at_least)
    return (math.log1p(label) if task.label.transform == "log1p" else label), 1.0


REQUESTS, ITEMS = st.sampled_from(["r1", "r2", "r\u00e9"]), st.sampled_from(["i1", "i2"])
TIMES = st.integers(0, 30).map(lambda second: 1_000_000 + 1000 * second)
SHOWN = st.fixed_dictionaries(
    {
        "request_id": REQUESTS,
        "item_id": ITEMS,
        "user_id": st.sampled_from(["u1", "u1", "u2"]),
        "timestamp": TIMES,
        "country": st.sampled_from(["de", "fr", None]),
    }
)
EVENTS = st.fixed_dictionaries(
    {
        "request_id": REQUESTS | st.just("nowhere"),
        "item_id": ITEMS,
        "event": st.sampled_from(["click", "watch", "rate"]),
        "value": st.sampled_from([0.0, 1.0, 2.0, 2.5]),
        "timestamp": TIMES,
    }
)
