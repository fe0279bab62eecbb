"""What TFX's own Beam steps cost on what ingestion writes: statistics, validation, Transform.

    make bench NAME=ingest.tfx_steps [ARGS="--rows 1000000 --workers 1"]

The components of `gaterank run` up to Transform run one after the other, as they do there.
"""

import argparse
import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from tfx.proto.orchestration import pipeline_pb2

from benchmarks.harness.processes import Cost, peak_mb, python, reset_peak, run_process
from benchmarks.harness.publish import how_made, publish
from benchmarks.ingest.logs import make_logs, write_config
from pipeline.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.sequential_runner import SequentialRunner
from pipeline.workspace import Workspace
from transforms.engine import make_tfx_args

_LAST = "Transform"


class MeasuringRunner(SequentialRunner):
    """Runs components and keeps what each cost.

    Attributes:
        costs: component -> its cost; its memory is that of this process alone.
    """

    def __init__(self) -> None:
        super().__init__(lambda line: print(line, file=sys.stderr, flush=True), run_id="measured")
        self.costs: dict[str, Cost] = {}

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None, **kwargs: Any
    ) -> None:
        """Runs the components up to the last one wanted."""
        names = [node.pipeline_node.node_info.id for node in pipeline.nodes]
        del pipeline.nodes[names.index(_LAST) + 1 :]
        super().run_with_ir(pipeline, run_options, **kwargs)

    def _launch(self, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> bool:
        reset_peak()
        used, started = _cpu_seconds(), time.monotonic()
        executed = super()._launch(pipeline, node)
        seconds = time.monotonic() - started
        cost = Cost(_cpu_seconds() - used, peak_mb(), seconds)
        self.costs[node.node_info.id] = cost
        return executed


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run_steps(config: Path, logs: Path, folder: Path) -> None:
    """Runs the components in this process and prints their costs as JSON."""
    ranker, workspace = load_config(config), Workspace(folder)
    args = list(make_tfx_args(ranker.beam))
    runner = MeasuringRunner()
    runner.run(create_pipeline(ranker, workspace.places(ranker.name, str(logs)), args))
    print(json.dumps({name: cost._asdict() for name, cost in runner.costs.items()}))


def measure(rows: int, workers: int, work: Path) -> dict[str, dict[str, float]]:
    """Runs the components in a process of its own: component -> cost."""
    logs = make_logs(work, rows, "parquet")
    document = yaml.safe_load(write_config(logs, rows, gzip_level=2).read_text())
    config, folder = work / "steps.yaml", work / "steps"
    config.write_text(yaml.safe_dump(document | {"beam": {"workers": workers}}))
    shutil.rmtree(folder, ignore_errors=True)
    log = work / f"steps-{rows}-{workers}.txt"
    verb = ["-m", f"{__package__}.tfx_steps", "--config", str(config), "--logs", str(logs)]
    try:
        run_process(python([*verb, "--work", str(folder)]), log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    costs: dict[str, dict[str, float]] = json.loads(log.read_text().splitlines()[-1])
    return costs


def format_table(results: dict[str, Any]) -> str:
    """The table and how it was made."""
    lines = [
        "# What TFX's steps cost",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. "
        f"One run each. {results['note']}".rstrip(),
        "",
        "*Peak* is of the process that runs the components; with several processes theirs is "
        "not in it.",
        "",
        "| impressions | processes | component | seconds | CPU s | rows a CPU s | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in results["runs"]:
        for name, cost in run["costs"].items():
            lines.append(
                f"| {run['rows']:,} | {run['workers']} | {name} | {cost['seconds']:.1f} | "
                f"{cost['cpu']:.1f} | {run['rows'] / cost['cpu']:,.0f} | {cost['peak_mb']:,.0f} |"
            )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    name = "make bench NAME=ingest.tfx_steps"
    parser = argparse.ArgumentParser(prog=name, description="Cost of TFX's Beam steps.")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes")
    parser.add_argument("--note", default="", help="a sentence for the table, such as of the load")
    parser.add_argument("--work", type=Path, default=Path("build/bench/ingest"))
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--logs", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes tfx_steps.json and tfx_steps.md."""
    options = parse()
    if options.config:
        run_steps(options.config, options.logs, options.work)
        return
    options.work.mkdir(parents=True, exist_ok=True)
    runs = [
        {"rows": rows, "workers": workers, "costs": measure(rows, workers, options.work)}
        for rows in options.rows
        for workers in options.workers
    ]
    results = {
        **how_made(
            "bench", "ingest.tfx_steps", "tfx", "tensorflow-transform", "tensorflow-data-validation"
        ),
        "note": options.note,
        "runs": runs,
    }
    publish(options.out, "tfx_steps", results, format_table(results))


if __name__ == "__main__":
    main()
