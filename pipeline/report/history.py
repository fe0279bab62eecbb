"""A workspace's past in the terminal: its runs, and what a pushed model came from."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.report.numbers import number
from pipeline.report.render import INPUTS_FILE
from pipeline.served.records import pushed_as, read_rollbacks
from pipeline.workspace import Run, Workspace
from transforms.errors import InputError

_REPORT = "gaterank.GateReport"


def run_rows(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """One JSON-able row a run: date, outcome, pushed version, mean metrics of the candidate.

    Args:
        runs: of a workspace, newest first.
    """
    return [_run_row(run) for run in runs]


def _run_row(run: Run) -> dict[str, Any]:
    document = run.document(_REPORT, INPUTS_FILE) or {}
    means = ((document.get("figures") or {}).get("mean")) or {}
    return {
        "run": run.run_id,
        "ranker": run.ranker,
        "outcome": _outcome(run),
        "version": run.pushed_version,
        "metrics": {
            metric: {
                "candidate": values["candidate"]["value"],
                "baseline": values["baseline"]["value"],
            }
            for metric, values in means.items()
        },
    }


def _outcome(run: Run) -> str:
    if run.failed:
        return f"failed in {', '.join(run.failed)}"
    return {True: "blessed", False: "refused", None: "interrupted"}[run.blessed]


def print_runs(rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Prints `run_rows` as a table.

    Args:
        rows: of `run_rows`.
        console: by default the standard output.
    """
    table = Table("run", "ranker", "outcome", "version", "mean AUC", "mean RMSE")
    for row in rows:
        metrics = [row["metrics"].get(name, {}).get("candidate") for name in ("auc", "rmse")]
        cells = [number(value) if value is not None else "" for value in metrics]
        table.add_row(row["run"], row["ranker"], row["outcome"], row["version"] or "", *cells)
    (console or Console()).print(table)


def find_lineage(workspace: Workspace, version: str | None) -> dict[str, Any]:
    """What a pushed model came from.

    Args:
        workspace: where it was pushed from.
        version: the version, or a copy that a rollback made of it; None for the newest.

    Raises:
        InputError: if no run pushed it.
    """
    pushes = [run for run in workspace.runs() if run.pushed_version]
    wanted = version or (pushes[0].pushed_version if pushes else None)
    rollbacks = {
        ranker: read_rollbacks(workspace.places(ranker, "").served)
        for ranker in {run.ranker for run in pushes}
    }
    made = {ranker: pushed_as(wanted or "", known) for ranker, known in rollbacks.items()}
    # A later run that changed nothing holds the same push; the oldest one made it.
    origin = next((run for run in reversed(pushes) if run.pushed_version == made[run.ranker]), None)
    if origin is None:
        what = f"version {version}" if version else "a model"
        raise InputError(f"{workspace.folder}: no run has pushed {what}")
    document = origin.document(_REPORT, INPUTS_FILE) or {}
    return {
        "version": origin.pushed_version,
        "run": origin.run_id,
        "report": str(origin.uri(_REPORT)),
        "counts": document.get("counts"),
        **(document.get("lineage") or {}),
    }


def print_lineage(lineage: dict[str, Any], console: Console | None = None) -> None:
    """Prints `find_lineage`.

    Args:
        lineage: of `find_lineage`.
        console: by default the standard output.
    """
    console = console or Console()
    counts = lineage["counts"] or {}
    time = counts.get("time") or {}
    lines = {
        "version": lineage["version"],
        "run": lineage["run"],
        "report": lineage["report"],
        "logs": lineage.get("data", {}).get("logs"),
        "time": f"{time.get('first')} to {time.get('last')}",
        "spans": lineage.get("data", {}).get("spans"),
        "examples": counts.get("splits"),
        "code": lineage.get("code_version"),
        "packages": lineage.get("tfx"),
    }
    for name, value in lines.items():
        if value is None:
            continue
        console.print(f"[bold]{name:>9}[/bold]  {value}", highlight=False, soft_wrap=True)
    for artifact in lineage.get("artifacts", ()):
        console.print(f"{artifact['type']:>24}  {artifact['uri']}", soft_wrap=True)
