"""What ingestion costs: `gaterank ingest` and other ways to the same tf.Examples, in CPU seconds.

    make bench NAME=ingest [ARGS="--rows 200000 --rivals none"]

Every figure is of a process of its own, with all of its CPU seconds. What the start of each
takes, which is mostly imports, is measured on 1,000 impressions.
"""

import argparse
import json
from pathlib import Path

from benchmarks.harness.processes import python, run_process
from benchmarks.harness.publish import how_made, publish
from benchmarks.ingest.logs import make_logs, write_config
from benchmarks.ingest.measure import as_row, measure
from benchmarks.ingest.table import format_tables
from benchmarks.ingest.ways import WAYS, Way

_RIVALS = ("all", "fast", "none")


def pick(rivals: str) -> tuple[list[Way], list[Way]]:
    """The ways to measure, and those to leave out because a package is not here."""
    wanted = {"all": WAYS, "fast": [w for w in WAYS if not w.is_slow]}
    ways = wanted.get(rivals, [way for way in WAYS if way.is_ours])
    return [way for way in ways if way.is_here], [way for way in ways if not way.is_here]


def time_stages(work: Path, rows: int) -> dict[str, float]:
    """Stage -> CPU seconds of `gaterank ingest` as it is by default."""
    logs, log = make_logs(work, rows, "parquet"), work / "stages.txt"
    config = write_config(logs, rows, gzip_level=2)
    module = f"{__package__}.stages"
    run_process(python(["-m", module, str(config), str(logs), str(work / "stages")]), log)
    stages: dict[str, float] = json.loads(log.read_text().splitlines()[-1])
    return stages


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench NAME=ingest", description="CPU of ingestion.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="impressions")
    parser.add_argument("--slow-rows", type=int, default=100_000, help="for what takes minutes")
    parser.add_argument("--rivals", choices=_RIVALS, default="all", help="which, beside ours")
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
    """Measures, prints the tables and writes ingest.json and ingest.md."""
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    ways, left_out = pick(options.rivals)
    slow_rows = min(options.rows, options.slow_rows)
    rows = {way: slow_rows if way.is_slow else options.rows for way in ways}
    measured = measure(rows, options.work, options.rounds)
    results = {
        **how_made("bench", "ingest", "apache-beam", "pyarrow", "numpy", "tfx"),
        "note": options.note,
        "rows": options.rows,
        "rounds": options.rounds,
        "left_out": [f"{way.name} (needs {way.needs})" for way in left_out],
        "stages": time_stages(options.work, options.rows),
        "ways": [as_row(row) for row in measured],
    }
    text = format_tables(results, measured)
    publish(options.out, "ingest", results, text)


if __name__ == "__main__":
    main()
