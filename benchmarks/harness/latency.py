"""How long calls take one by one, on a machine that others use too."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
from rich.progress import track

Call = Callable[[], object]
_WARM_UP_CALLS = 5


class Latency(NamedTuple):
    """Of one call; each figure is the median over rounds.

    Attributes:
        p50: seconds that half of the calls take at most.
        p99: that 99 of 100 take at most.
        cpu: CPU seconds a call.
    """

    p50: float
    p99: float
    cpu: float


def time_calls(
    calls: Mapping[str, Call],
    rounds: int,
    seconds: float,
    cpu: Mapping[str, Callable[[], float]] | None = None,
) -> dict[str, list[Latency]]:
    """Makes calls one after another, all programs in turn, round after round.

    Args:
        calls: name -> what is timed.
        rounds: how often each is timed.
        seconds: that it is then repeated for.
        cpu: name -> CPU seconds until now, of the process that does the work; by default
            this one.
    """
    for call in calls.values():
        for _ in range(_WARM_UP_CALLS):
            call()
    found: dict[str, list[Latency]] = {name: [] for name in calls}
    for _ in track(range(rounds), "time"):
        for name, call in calls.items():
            clock = (cpu or {}).get(name, time.process_time)
            found[name].append(_time(call, seconds, clock))
    return found


def typical(rounds: Sequence[Latency]) -> Latency:
    """The median of each figure."""
    return Latency(*map(median, zip(*rounds, strict=True)))


def _time(call: Call, seconds: float, clock: Callable[[], float]) -> Latency:
    times, before = [], clock()
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        call()
        times.append(time.perf_counter() - began)
    spent = clock() - before
    p50, p99 = np.percentile(times, [50, 99])
    return Latency(float(p50), float(p99), spent / len(times))
