"""CPU seconds, time and memory of whole processes."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What a process and those it started took.

    Attributes:
        cpu: seconds in user and in system mode.
        peak_mb: the largest resident memory of one process.
        seconds: from its start to its end.
    """

    cpu: float
    peak_mb: float
    seconds: float = 0.0


def python(arguments: list[str]) -> list[str]:
    """The command line."""
    return [sys.executable, *arguments]


def run_process(arguments: Sequence[str], log: Path) -> Cost:
    """Runs a program to its end.

    Args:
        arguments: the command line.
        log: gets what it prints.

    Raises:
        RuntimeError: if it fails.
    """
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(arguments, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{said}")
    seconds = time.monotonic() - started
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, seconds)


def reset_peak() -> None:
    """Sets back the peak memory that the kernel keeps of this process."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The largest resident memory of this process since then."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
