"""CPU seconds and memory of whole processes, which other processes on the machine touch least."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.ingest.logs import make_logs
from benchmarks.ingest.ways import Way, python

START_ROWS = 1000


class Cost(NamedTuple):
    """What a process and those it started took.

    Attributes:
        cpu: seconds in user and in system mode.
        peak_mb: the largest resident memory of one process.
    """

    cpu: float
    peak_mb: float


class Measured(NamedTuple):
    """A way's figures.

    Attributes:
        name: of the way.
        group: of the way.
        rows: impressions that it was given.
        cpu: seconds of the whole process, median.
        start_cpu: seconds of the same on 1,000 impressions, which is what its start takes.
        peak_mb: resident memory, median.
        all_cpu: seconds of each repetition.
    """

    name: str
    group: str
    rows: int
    cpu: float
    start_cpu: float
    peak_mb: float
    all_cpu: list[float]

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds a million impressions, without the start."""
        return 1e6 * (self.cpu - self.start_cpu) / (self.rows - START_ROWS)

    @property
    def rows_per_cpu(self) -> float:
        """Impressions a CPU second, the start included."""
        return self.rows / self.cpu


def run_process(arguments: Sequence[str], log: Path) -> Cost:
    """Runs a program to its end.

    Args:
        arguments: the command line.
        log: gets what it prints.

    Raises:
        RuntimeError: if it fails.
    """
    with log.open("wb") as stream:
        process = subprocess.Popen(arguments, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{log.read_text()[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(way: Way, work: Path, rows: int, repeats: int) -> Measured:
    """Runs a way several times, and once on few rows.

    Args:
        way: to measure.
        work: gets logs, which are kept, and outputs, which are not.
        rows: impressions.
        repeats: how often.
    """
    start = _run(way, work, START_ROWS)
    costs = [_run(way, work, rows) for _ in range(repeats)]
    cpu = [cost.cpu for cost in costs]
    peak = median(cost.peak_mb for cost in costs)
    return Measured(way.name, way.group, rows, median(cpu), start.cpu, peak, cpu)


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
    rates = {
        "cpu_per_million": measured.cpu_per_million,
        "rows_per_cpu": measured.rows_per_cpu,
    }
    return measured._asdict() | rates
