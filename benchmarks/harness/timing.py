"""Times of several programs on a machine that others use too."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from rich.progress import track

# Runs a step this many times.
Program = Callable[[int], None]


def time_rounds(
    programs: Mapping[str, Program], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Seconds a step of each program, round after round.

    What slows the machine down for a while slows all programs of a round down, so that
    figures of the same round can be compared.

    Args:
        programs: name -> program.
        rounds: how often each is timed.
        seconds: that one timing takes, about.
    """
    counts = {name: _warm_up(programs[name], seconds) for name in track(programs, "trace")}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in track(range(rounds), "time"):
        for name, program in programs.items():
            times[name].append(_time(program, counts[name]))
    return times


def ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """The median over rounds of how often `others` fits into `times`.

    Example:
        >>> ratio([1.0, 2.0, 9.0], [2.0, 4.0, 2.0])
        0.5
    """
    return median(a / b for a, b in zip(times, others, strict=True))


def _warm_up(program: Program, seconds: float) -> int:
    """How many steps fill the time."""
    _time(program, 1)  # traces
    once = min(_time(program, 3) for _ in range(2))
    return max(1, round(seconds / once))


def _time(program: Program, count: int) -> float:
    began = time.perf_counter()
    program(count)
    return (time.perf_counter() - began) / count
