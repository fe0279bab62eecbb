"""What is killed in the middle of a job, and when that is."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployment.engines.cluster import WORKER
from deployment.engines.daemons import Daemons
from transforms.ingest.writing.tfrecord import find_shards

_POLL_SECONDS = 0.02
_PYTHON_WORKER = "apache_beam.runners.worker.sdk_worker_main"

Find = Callable[[Daemons], list[int]]


@dataclass(frozen=True)
class Killed:
    """A process that was killed (-9).

    Attributes:
        process: its number.
        shards: how many shards there were then; the job goes on as long as not all are.
    """

    process: int
    shards: int


def find_worker(daemons: Daemons) -> list[int]:
    """The first worker of an engine."""
    return [daemons.pid(WORKER.format(1))]


def find_python_workers(daemons: Daemons) -> list[int]:
    """The processes in which Beam's Python runs."""
    return [pid for pid, line in daemons.processes().items() if _PYTHON_WORKER in line]


def count_shards(out: Path) -> int:
    """How many shards of the train split an ingestion into `out` has written so far."""
    return len(find_shards(out.parent / f".{out.name}.partial" / "Split-train"))


def kill_in_the_middle(
    job: subprocess.Popen[bytes], out: Path, daemons: Daemons, find: Find
) -> Killed | None:
    """Kills one process as soon as an ingestion has written its first shard.

    Args:
        job: the ingestion.
        out: where it writes to.
        daemons: of the engine.
        find: gives the processes that may be killed.

    Returns:
        What was killed; None if the job ended before.
    """
    while job.poll() is None:
        shards = count_shards(out)
        victims = find(daemons) if shards else []
        if victims:
            os.kill(victims[0], signal.SIGKILL)
            return Killed(victims[0], shards)
        time.sleep(_POLL_SECONDS)
    return None
