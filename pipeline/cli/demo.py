"""The verb behind `make demo`: simulated logs, the whole pipeline, a server, a ranking."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click

from pipeline.config import RankerConfig, load_config
from transforms.errors import NotBlessedError

PRESETS = Path(__file__).resolve().parents[2] / "presets"
_IMPRESSIONS = 80_000
_SEED = 1


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder for the logs and the workspace.",
)
@click.option(
    "--preset",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PRESETS / "demo.yaml",
    help="The ranker's YAML.",
)
@click.option("--impressions", type=int, default=_IMPRESSIONS, show_default=True)
def demo(out: Path, preset: Path, impressions: int) -> None:
    """Show all of gaterank on simulated logs, in a few minutes.

    Simulates logs, runs the pipeline on them, serves the pushed model, ranks one request,
    and says which experts each task uses and what serving skips.
    """
    from pipeline.local_runner import run_local
    from pipeline.report.summary import print_summary
    from pipeline.workspace import Workspace

    config = load_config(preset)
    logs = _simulate_once(out / "logs", impressions)
    workspace = Workspace(out / "workspace")
    finished = run_local(config, workspace, logs)
    print_summary(finished)
    if not finished.blessed:
        raise NotBlessedError("the demo's candidate was refused; see the report")
    model_dir = workspace.places(config.name, str(logs)).served
    request = out / "request.json"
    request.write_text(json.dumps(sample_request(config, logs), indent=1))
    _serve_and_rank(model_dir, request)
    click.echo(f"\nreport   {finished.uri('gaterank.GateReport')}/report.html")
    program = sys.argv[0] if Path(sys.argv[0]).name == "gaterank" else "gaterank"
    click.echo(f"serve    {program} serve {model_dir}")
    click.echo(f"rank     {program} rank --server http://127.0.0.1:8501 --request {request}")


def _simulate_once(logs: Path, impressions: int) -> Path:
    """Simulates logs unless the same are there: unchanged logs are not ingested again."""
    from transforms.simulator.simulate import simulate
    from transforms.simulator.truth import TRUTH_FILE, read_truth

    if (logs / TRUTH_FILE).is_file():
        truth = read_truth(logs)
        if (truth.impressions, truth.seed) == (impressions, _SEED):
            click.echo(f"logs: {impressions} impressions in {logs}, as before", err=True)
            return logs
        shutil.rmtree(logs)
    click.echo(f"logs: simulating {impressions} impressions into {logs}", err=True)
    simulate(logs, impressions, _SEED)
    return logs


def sample_request(config: RankerConfig, logs: Path) -> dict[str, object]:
    """The latest request of canonical Parquet logs, as a client would send it.

    Args:
        config: says which column belongs to the user, the context, the items.
        logs: folder with `impressions/`.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(sorted((logs / "impressions").rglob("*.parquet"))[-1])
    latest = table["request_id"][pc.index(table["timestamp"], pc.max(table["timestamp"])).as_py()]
    rows = table.filter(pc.equal(table["request_id"], latest)).to_pylist()
    return {
        **{
            owner: {name: rows[0][column] for name, column in config.columns_of(owner).items()}
            for owner in ("user", "context")
        },
        "candidates": [
            {
                "item_id": row["item_id"],
                **{name: row[column] for name, column in config.columns_of("item").items()},
            }
            for row in {row["item_id"]: row for row in rows}.values()
        ],
    }


def _serve_and_rank(model_dir: Path, request: Path) -> None:
    """Starts the server on free ports as a process of its own, ranks, and stops it."""
    gaterank = [sys.executable, "-m", "pipeline.cli.main"]
    server = subprocess.Popen(
        [*gaterank, "serve", str(model_dir), "--port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        ready = server.stdout.readline().strip()
        click.echo(f"\n{ready}")
        url = next(word for word in ready.split() if word.startswith("http://")).split("/v1")[0]
        command = [*gaterank, "rank", "--server", url, "--request", str(request)]
        sys.stdout.flush()
        subprocess.run(command, check=True)
    finally:
        server.terminate()
        server.wait(timeout=30)
