"""Feedback rows: outcomes with their delays, in parts, with duplicates and orphans."""

from typing import NamedTuple

import numpy as np

from transforms.simulator.columns import Array
from transforms.simulator.outcomes import TICKS_PER_SECOND, Outcome
from transforms.simulator.requests import Impressions
from transforms.simulator.responses import RESPONSES, Response

EVENTS = tuple(RESPONSES)

ROW = np.dtype(
    [("request", "i8"), ("item", "i4"), ("event", "i1"), ("value", "f8"), ("timestamp", "i8")]
)
"""A feedback row: the event is an index into EVENTS."""

DUPLICATES = 0.01
"""Share of impressions, and of feedback rows, that the logs hold twice."""

ORPHANS = 0.002
"""Share of feedback rows, on top of the others, whose impression is not in the logs."""

UNLOGGED_REQUEST = 5_000_000_000
"""Added to an orphan's request number; no logged request reaches it."""

_RESUMED = 0.2
_REVISED = 0.05


class Feedback(NamedTuple):
    """The feedback of a part of the impressions, and how much of it is odd.

    Attributes:
        rows: structured array of ROW.
        duplicates: rows that repeat another row.
        orphans: rows without an impression.
        late: rows after their window.
        lost: responses without a row.
    """

    rows: Array
    duplicates: int
    orphans: int
    late: int
    lost: int


def draw_feedback(
    rng: np.random.Generator, impressions: Impressions, outcomes: dict[str, Outcome]
) -> Feedback:
    """Turns outcomes into the rows that the logs hold."""
    parts, late, lost = [], 0, 0
    for event, outcome in outcomes.items():
        happened = ~np.isnan(outcome.value)
        logged = np.flatnonzero(happened & ~outcome.is_lost)
        is_late = outcome.is_late[logged]
        delay = _draw_delay(rng, RESPONSES[event], is_late)
        rows = _rows(impressions, logged, event, outcome.value[logged], delay)
        parts.append(rows)
        if event == "watch_seconds":
            parts.append(_split_watches(rng, rows, delay, is_late))
        elif event == "survey":
            parts.append(_earlier_answers(rng, rows[~is_late], delay[~is_late]))
        late += int(is_late.sum())
        lost += int((happened & outcome.is_lost).sum())
    rows = np.concatenate(parts)
    repeated = rows[rng.random(len(rows)) < DUPLICATES]
    orphans = rows[rng.random(len(rows)) < ORPHANS]
    orphans["request"] += UNLOGGED_REQUEST
    rows = np.concatenate([rows, repeated, orphans])
    return Feedback(rows, len(repeated), len(orphans), late, lost)


def _rows(impressions: Impressions, index: Array, event: str, value: Array, delay: Array) -> Array:
    rows = np.empty(len(index), ROW)
    rows["request"] = impressions.request[index]
    rows["item"] = impressions.item[index]
    rows["event"] = EVENTS.index(event)
    rows["value"] = value
    rows["timestamp"] = impressions.timestamp[index] + delay
    return rows


def _draw_delay(rng: np.random.Generator, response: Response, is_late: Array) -> Array:
    """Milliseconds to the feedback: in the window, or for late ones in one window more."""
    window = round(response.window.total_seconds() * 1000)
    mean = round(response.mean_delay.total_seconds() * 1000)
    on_time = _truncated_exponential(rng, mean, window, len(is_late))
    late = 1 + window + _truncated_exponential(rng, window / 4, window, len(is_late))
    return np.where(is_late, late, on_time)


def _truncated_exponential(rng: np.random.Generator, mean: float, upper: int, size: int) -> Array:
    """Whole milliseconds in [0, upper], exponential but for the cut tail."""
    uniform = rng.random(size) * -np.expm1(-upper / mean)
    delay: Array = np.floor(-mean * np.log1p(-uniform)).astype(np.int64)
    return delay


def _split_watches(rng: np.random.Generator, rows: Array, delay: Array, is_late: Array) -> Array:
    """Breaks some watches, in place, into a first part and the returned second part.

    The second part of an on-time watch is on time too, so that the sum inside the window
    is the whole watch or nothing.
    """
    ticks = np.rint(rows["value"] * TICKS_PER_SECOND).astype(np.int64)
    window = round(RESPONSES["watch_seconds"].window.total_seconds() * 1000)
    room = np.where(is_late, window, window - delay)
    chosen = np.flatnonzero((rng.random(len(rows)) < _RESUMED) & (ticks > 1) & (room > 0))
    first = 1 + np.floor(rng.random(len(chosen)) * (ticks[chosen] - 1))
    second = rows[chosen].copy()
    second["value"] = (ticks[chosen] - first) / TICKS_PER_SECOND
    rows["value"][chosen] = first / TICKS_PER_SECOND
    later = 1 + np.floor(rng.random(len(chosen)) * room[chosen])
    second["timestamp"] += later.astype(np.int64)
    return second


def _earlier_answers(rng: np.random.Generator, rows: Array, delay: Array) -> Array:
    """First answers that some users took back: only their last answer counts."""
    chosen = np.flatnonzero((rng.random(len(rows)) < _REVISED) & (delay > 0))
    earlier = rows[chosen].copy()
    earlier["value"] = rng.integers(1, 6, len(chosen))
    back = 1 + np.floor(rng.random(len(chosen)) * delay[chosen]).astype(np.int64)
    earlier["timestamp"] -= back
    return earlier
