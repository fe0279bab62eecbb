"""`make airflow-demo`: two scheduled days by a real scheduler, the second from the first's model.

python -m deployment.airflow.demo --bin build/airflow/venv/bin
"""

import shutil
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import yaml

from deployment.airflow.instance import Instance
from pipeline.cli.main import main
from pipeline.config import load_config
from transforms.errors import GaterankError
from transforms.rolling.inputs import spans_ahead

ROOT = Path(__file__).resolve().parents[2]
_DAYS = 2
_WINDOW = 2
_POLL_SECONDS = 5.0
_WAITING = (None, "scheduled", "queued")


@click.command()
@click.option(
    "--bin", "bin_folder", required=True, type=click.Path(path_type=Path), help="Airflow's."
)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/airflow/demo"))
@click.option("--impressions", default=8000, show_default=True, help="A day.")
@click.option("--port", default=8080, show_default=True, help="Of the web server.")
@click.option("--minutes", default=60, show_default=True, help="After which it gives up.")
@click.option("--keep", is_flag=True, help="Leave scheduler and web server running.")
def demo(
    bin_folder: Path, folder: Path, impressions: int, port: int, minutes: int, keep: bool
) -> None:
    """Two scheduled days, end to end."""
    folder = folder.resolve()
    airflow = Instance(folder / "airflow", bin_folder)
    airflow.daemons.stop()
    shutil.rmtree(folder, ignore_errors=True)
    airflow = Instance(folder / "airflow", bin_folder)
    config = write_inputs(folder, impressions, datetime.now(UTC).date())
    name = f"gaterank_{load_config(config).name}"
    airflow.prepare(_document(config, folder))
    try:
        password = airflow.start_web_server(port)
        click.echo(f"http://127.0.0.1:{port}  user admin, password {password}")
        airflow.start_scheduler()
        airflow.airflow("dags", "unpause", name)
        _wait(airflow, name, minutes * 60)
        _tell(airflow, name, folder)
        if keep:
            click.pause("scheduler and web server run; a key ends them")
    finally:
        airflow.daemons.stop()


def write_inputs(folder: Path, impressions: int, today: date) -> Path:
    """Simulates the logs of the days before today, and writes the YAML for them.

    Args:
        folder: gets `logs` and `ranker.yaml`.
        impressions: a day.
        today: the two days that Airflow catches up are the last ones whose labels are complete.

    Returns:
        The YAML.
    """
    from transforms.simulator.simulate import simulate

    document = yaml.safe_load((ROOT / "presets" / "demo.yaml").read_text())
    document["logs"]["spans"] = {"window": _WINDOW}
    document["training"] |= {"base": "latest_blessed", "max_epochs": 6}
    document["model"] |= {"expert_units": [64], "tower_units": [32]}
    document["gate"] |= {"beta_steps": 100}
    # So few rows tell little: the candidate must not be far behind the baseline, nor its base.
    bound = {"task": "mean", "metric": "auc", "min_gain": -0.05}
    document["evaluation"]["thresholds"] = [bound, {**bound, "against": "base"}]
    for task in document["tasks"].values():
        task["label"]["may_be_absent"] = True
    # Beside the impressions' last day, feedback for it stands in the days after.
    document["logs"]["dead_letters"] = {"max_ratio": 0.1}
    path = folder / "ranker.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    ahead = spans_ahead(load_config(path).data_config())
    first = today - timedelta(days=ahead + _DAYS)
    document["schedule"] = {
        "start": first,
        "cron": "0 0 * * *",
        "poll": "15s",
        "retry_delay": "10s",
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    begin = first - timedelta(days=_WINDOW - 1)
    days = (today - begin).days
    simulate(folder / "logs", impressions * days, seed=1, days=days, first_day=begin, drift=0.05)
    return path


def _document(config: Path, folder: Path) -> dict[str, Any]:
    from pipeline.graph import airflow_document

    command = [sys.executable, "-m", "pipeline.cli.main"]
    logs = str(folder / "logs")
    return airflow_document(load_config(config), config, command, folder / "workspace", logs)


def _wait(airflow: Instance, name: str, seconds: float) -> None:
    """Prints each task's end, until the days have ended.

    Raises:
        GaterankError: if they have not in time.
    """
    told: set[tuple[str, str, str]] = set()
    end = time.monotonic() + seconds
    while len(airflow.ended(name)) < _DAYS:
        if time.monotonic() > end:
            raise GaterankError(f"the days are not done: {airflow.runs(name)}")
        time.sleep(_POLL_SECONDS)
        for run in airflow.runs(name):
            for task, state in airflow.tasks(name, run).items():
                if state not in _WAITING and (run, task, state) not in told:
                    told.add((run, task, state))
                    click.echo(f"{datetime.now(UTC):%H:%M:%S}  {run}  {task}: {state}")


def _tell(airflow: Instance, name: str, folder: Path) -> None:
    """What each day has come to."""
    from pipeline.workspace import Workspace

    for run in reversed(Workspace(folder / "workspace").runs()):
        scheduled = run.run_id.partition("@")[0]
        report = run.document("gaterank.GateReport", "inputs.json") or {}
        bases = {
            role: bool((report.get(role) or {}).get("base")) for role in ("candidate", "baseline")
        }
        figures = report.get("figures") or {}
        rivals = {"baseline": figures, "base": figures.get("base") or {}}
        click.echo(f"\n{scheduled}: {airflow.runs(name).get(scheduled)}")
        click.echo(f"  days      {(report.get('lineage') or {}).get('data', {}).get('spans')}")
        click.echo(f"  warm      {bases}")
        for rival, found in rivals.items():
            if found:
                auc = found["mean"]["auc"]
                both = auc["candidate"]["value"], auc["baseline"]["value"]
                click.echo(f"  mean AUC  candidate {both[0]:.4f}, {rival} {both[1]:.4f}")
        click.echo(f"  blessed   {run.blessed}, pushed as version {run.pushed_version}")
        click.echo(f"  Pusher    {airflow.tasks(name, scheduled).get('Pusher')}")


if __name__ == "__main__":
    main(demo)
