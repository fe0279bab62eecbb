"""The same ingestion on several engines, some of them broken on the way: the same bytes?"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from deployment.engines.cluster import Cluster
from deployment.engines.compare import compare, list_all
from deployment.engines.job import PARTITIONS, Job, run_ingestion
from deployment.engines.kills import Find, find_python_workers, find_worker
from deployment.engines.parts import Parts, Say
from transforms.simulator.simulate import simulate
from transforms.simulator.truth import TRUTH_FILE

_SEED = 5
_SHOWN = 10
_COLUMNS = ("run", "seconds", "CPU s", "killed (-9) after", "files", "different", "")
_KILLS: dict[str, Find | None] = {
    "": None,
    ", a worker killed": find_worker,
    ", a Python worker killed": find_python_workers,
}


@dataclass(frozen=True)
class Outcome:
    """One ingestion.

    Attributes:
        name: of the run.
        job: what it took.
        files: written.
        differences: from the direct runner's files.
        is_complete: whether what should be killed was killed.
    """

    name: str
    job: Job
    files: int
    differences: tuple[str, ...] = ()
    is_complete: bool = True

    @property
    def passed(self) -> bool:
        """Whether the run is what it should be."""
        return self.is_complete and not self.differences


def run_trial(
    engine: type[Cluster], parts: Parts, folder: Path, impressions: int, say: Say
) -> list[Outcome]:
    """Ingests simulated logs in a process, then on an engine, also with a worker killed.

    Args:
        engine: which.
        parts: of the engine.
        folder: for logs, outputs and the cluster.
        impressions: how many.
        say: prints a line.

    Raises:
        GaterankError: if an ingestion fails.
    """
    logs, expected = folder / f"logs-{impressions}", folder / "direct"
    if not (logs / TRUTH_FILE).is_file():
        say(f"simulating {impressions} impressions ...")
        shutil.rmtree(logs, ignore_errors=True)
        simulate(logs, impressions, _SEED)
    say("direct ...")
    direct = run_ingestion(logs, expected, {})
    outcomes = [Outcome("direct", direct, len(list_all(expected)))]
    for how, find in _KILLS.items():
        name = f"{engine.recipe.name}{how}"
        say(f"{name} ...")
        out = folder / name.replace(",", "").replace(" ", "-").lower()
        with engine(parts, folder / "cluster") as cluster:
            job = run_ingestion(logs, out, cluster.section(), cluster.daemons, find)
        differences = tuple(compare(expected, out))
        is_complete = find is None or job.killed is not None
        outcomes.append(Outcome(name, job, len(list_all(out)), differences, is_complete))
    return outcomes


def print_outcomes(outcomes: list[Outcome]) -> None:
    """The table, and of each run that did not pass what is different."""
    table = Table(title=f"Ingestion into {PARTITIONS} partitions")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "run" else "right")
    for one in outcomes:
        job = one.job
        shards = f"{job.killed.shards} of {PARTITIONS} shards" if job.killed else ""
        different = "" if one is outcomes[0] else str(len(one.differences))
        took = (f"{job.seconds:.0f}", f"{job.cpu_seconds:.0f}")
        verdict = "ok" if one.passed else "FAILED"
        table.add_row(one.name, *took, shards, str(one.files), different, verdict)
    Console(width=100).print(table)
    for one in outcomes:
        if not one.is_complete:
            click.echo(f"{one.name}: the job ended before anything could be killed")
        for line in one.differences[:_SHOWN]:
            click.echo(f"{one.name}: {line}")
