"""One run of `gaterank ingest`, what it took, and what was killed on the way."""

import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployment.engines.daemons import Daemons
from deployment.engines.kills import Find, Killed, kill_in_the_middle
from deployment.engines.parts import ROOT
from pipeline.cli.demo import PRESETS
from transforms.errors import GaterankError

PARTITIONS = 32
_LIMIT_SECONDS = 1800


@dataclass(frozen=True)
class Job:
    """What an ingestion took.

    Attributes:
        seconds: from the command to its end.
        cpu_seconds: of the command, and of the engine meanwhile.
        killed: what was killed on the way; None if nothing was.
    """

    seconds: float
    cpu_seconds: float
    killed: Killed | None


def run_ingestion(
    logs: Path,
    out: Path,
    beam: dict[str, Any],
    daemons: Daemons | None = None,
    find: Find | None = None,
) -> Job:
    """Runs `gaterank ingest`, with its YAML and its log beside its output.

    Args:
        logs: the folder of the logs.
        out: the folder to write.
        beam: the `beam` section.
        daemons: of the engine, if there is one.
        find: which of its processes to kill, if any.

    Raises:
        GaterankError: if it fails.
    """
    for left in (out, out.with_name(f".{out.name}.partial")):
        shutil.rmtree(left, ignore_errors=True)
    config, log = (out.with_name(f"{out.name}.{suffix}") for suffix in ("yaml", "log"))
    config.write_text(yaml.safe_dump(make_document(beam)))
    command = [sys.executable, "-m", "pipeline.cli.main", "ingest", str(config)]
    started, used = time.monotonic(), _cpu_seconds(daemons)
    with log.open("wb") as said:
        job = subprocess.Popen(
            [*command, "--logs", str(logs), "--out", str(out)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            killed = kill_in_the_middle(job, out, daemons, find) if daemons and find else None
            code = job.wait(_LIMIT_SECONDS)
        finally:
            job.kill()
            job.wait()
    if code:
        raise GaterankError(f"{out.name}: failed with {code}; see {log}")
    return Job(time.monotonic() - started, _cpu_seconds(daemons) - used, killed)


def make_document(beam: dict[str, Any]) -> dict[str, Any]:
    """The demo with all that ingestion can do: histories, a split by time, many partitions."""
    document: dict[str, Any] = yaml.safe_load((PRESETS / "demo.yaml").read_text())
    clicks = {"kind": "history", "statistic": "mean", "task": "click", "smoothing": 20}
    document["features"] |= {
        "user_clicks": {"of": "user", "by": "user_id", **clicks},
        "item_clicks": {"of": "item", "by": "item_id", **clicks},
    }
    document["logs"] |= {"partitions": PARTITIONS, "split": {"by": "time", "eval_last": "1d"}}
    return document | {"beam": beam}


def _cpu_seconds(daemons: Daemons | None) -> float:
    """What commands that have ended and an engine have used so far."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + (daemons.cpu_seconds() if daemons else 0.0)
