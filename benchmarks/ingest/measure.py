"""CPU seconds and memory of whole processes, which other processes on the machine touch least."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.progress import track

from benchmarks.harness.processes import Cost, python, run_process
from benchmarks.ingest.logs import make_logs
from benchmarks.ingest.ways import Way

START_ROWS = 1000


class Measured(NamedTuple):
    """A way's figures, round after round.

    Attributes:
        name: of the way.
        group: of the way.
        rows: impressions that it was given.
        costs: on these, of each round.
        starts: the same on 1,000 impressions, which is what the start of a process takes.
    """

    name: str
    group: str
    rows: int
    costs: list[Cost]
    starts: list[Cost]

    @property
    def cpu(self) -> float:
        """CPU seconds of the whole process."""
        return median(cost.cpu for cost in self.costs)

    @property
    def start_cpu(self) -> float:
        """CPU seconds of its start."""
        return median(cost.cpu for cost in self.starts)

    @property
    def peak_mb(self) -> float:
        """Resident memory."""
        return median(cost.peak_mb for cost in self.costs)

    @property
    def rates(self) -> list[float]:
        """CPU seconds a million impressions without the start, of each round."""
        pairs = zip(self.costs, self.starts, strict=True)
        return [1e6 * (cost.cpu - start.cpu) / (self.rows - START_ROWS) for cost, start in pairs]


def measure(rows: Mapping[Way, int], work: Path, rounds: int) -> list[Measured]:
    """Runs all ways, round after round, each on few rows and on many.

    What slows the machine down for a while slows all ways of a round down, so that figures of
    the same round can be compared.

    Args:
        rows: way -> impressions.
        work: gets logs, which are kept, and outputs, which are not.
        rounds: how many.
    """
    measured = {way: Measured(way.name, way.group, count, [], []) for way, count in rows.items()}
    for way in track(list(rows) * rounds, "measure"):
        measured[way].starts.append(_run(way, work, START_ROWS))
        measured[way].costs.append(_run(way, work, rows[way]))
    return list(measured.values())


def _run(way: Way, work: Path, rows: int) -> Cost:
    logs, out = make_logs(work, rows, way.file_format), work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    try:
        return run_process(python(way.command(logs, out, rows)), work / "log.txt")
    finally:
        shutil.rmtree(out)


def as_row(measured: Measured) -> dict[str, Any]:
    """For the JSON file."""
    cpu = {"cpu": measured.cpu, "start_cpu": measured.start_cpu, "peak_mb": measured.peak_mb}
    lists = {"all_cpu": measured.costs, "all_start_cpu": measured.starts}
    rounds = {name: [cost.cpu for cost in costs] for name, costs in lists.items()}
    named = {"name": measured.name, "group": measured.group, "rows": measured.rows}
    return {**named, **cpu, **rounds, "cpu_per_million": median(measured.rates)}
