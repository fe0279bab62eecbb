"""How the cost of `gaterank ingest` grows with the rows, and what a second process brings.

    make bench NAME=ingest.growth [ARGS="--rows 1000000 4000000 --workers 1"]

Every figure is of a process of its own and of those that it starts.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import yaml
from rich.progress import track

from benchmarks.harness.processes import Cost, python, run_process
from benchmarks.harness.publish import how_made, publish
from benchmarks.ingest.logs import make_logs, write_config
from benchmarks.ingest.measure import START_ROWS


class Size(NamedTuple):
    """What is measured.

    Attributes:
        rows: impressions.
        workers: processes.
    """

    rows: int
    workers: int


def ingest(size: Size, work: Path) -> Cost:
    """Ingests once; the output is gone afterwards.

    Args:
        size: of the logs, and how many processes.
        work: gets the logs, which are kept.
    """
    logs = make_logs(work, size.rows, "parquet")
    document = yaml.safe_load(write_config(logs, size.rows, gzip_level=2).read_text())
    config = work / f"workers-{size.workers}.yaml"
    config.write_text(yaml.safe_dump(document | {"beam": {"workers": size.workers}}))
    out = work / "grown"
    verb = ["-m", "pipeline.cli.main", "ingest", str(config), "--logs", str(logs)]
    try:
        return run_process(python([*verb, "--out", str(out)]), work / "log.txt")
    finally:
        shutil.rmtree(out, ignore_errors=True)


def grow(sizes: Sequence[Size], work: Path, rounds: int) -> dict[Size, list[Cost]]:
    """Measures all sizes, round after round, and for each number of processes its start."""
    starts = [Size(START_ROWS, workers) for workers in dict.fromkeys(s.workers for s in sizes)]
    costs: dict[Size, list[Cost]] = {size: [] for size in [*starts, *sizes]}
    for size in track(list(costs) * rounds, "measure"):
        costs[size].append(ingest(size, work))
    return costs


def as_rows(costs: dict[Size, list[Cost]]) -> Iterator[dict[str, Any]]:
    """For the JSON file: medians over the rounds, and against one process and the fewest rows."""
    cpu = {size: median(cost.cpu for cost in found) for size, found in costs.items()}
    seconds = {size: median(cost.seconds for cost in found) for size, found in costs.items()}
    sizes = [size for size in costs if size.rows > START_ROWS]
    rate = {s: 1e6 * (cpu[s] - cpu[Size(START_ROWS, s.workers)]) / s.rows for s in sizes}
    for size in sizes:
        alone = Size(size.rows, 1)
        least = min(s for s in sizes if s.workers == size.workers)
        yield {
            "rows": size.rows,
            "workers": size.workers,
            "seconds": seconds[size],
            "cpu": cpu[size],
            "start_cpu": cpu[Size(START_ROWS, size.workers)],
            "cpu_per_million": rate[size],
            "growth": rate[size] / rate[least],
            "speedup": seconds[alone] / seconds[size] if alone in seconds else None,
            "peak_mb": median(cost.peak_mb for cost in costs[size]),
        }


def format_table(results: dict[str, Any]) -> str:
    """The table and how it was made."""
    lines = [
        "# How ingestion grows",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. Medians of "
        f"{results['rounds']} rounds, gzip level 2. {results['note']}".rstrip(),
        "",
        "*A million* is CPU seconds a million impressions without the start, *growth* that "
        "against the fewest impressions, *speedup* the time against one process, the start "
        "included, *peak* the largest process.",
        "",
        "| impressions | processes | seconds | CPU s | a million | growth | speedup | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in results["sizes"]:
        speedup = f"{row['speedup']:.2f}" if row["speedup"] else ""
        lines.append(
            f"| {row['rows']:,} | {row['workers']} | {row['seconds']:.1f} | {row['cpu']:.1f} | "
            f"{row['cpu_per_million']:.2f} | {row['growth']:.2f} | {speedup} | "
            f"{row['peak_mb']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench NAME=ingest.growth", description=__doc__)
    millions = [1_000_000, 4_000_000, 10_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=millions, help="impressions")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run")
    parser.add_argument("--note", default="", help="a sentence for the table, such as of the load")
    parser.add_argument(
        "--work", type=Path, default=Path("build/bench/ingest"), help="folder of logs and outputs"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/benchmarks"), help="folder of the figures"
    )
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes ingest_growth.json and ingest_growth.md."""
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    sizes = [Size(rows, workers) for rows in options.rows for workers in options.workers]
    costs = grow(sizes, options.work, options.rounds)
    results = {
        **how_made("bench", "ingest.growth", "apache-beam", "pyarrow", "numpy"),
        "note": options.note,
        "rounds": options.rounds,
        "sizes": list(as_rows(costs)),
    }
    publish(options.out, "ingest_growth", results, format_table(results))


if __name__ == "__main__":
    main()
