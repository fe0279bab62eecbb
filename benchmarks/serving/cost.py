"""What ranking costs: the usual way, the pruned model, our server and client around it.

    make bench NAME=serving.cost [ARGS="--rounds 9 --seconds 1 --used 4"]

The usual way sends an example a candidate, each with the user's features, to a model that
computes all experts. A whole request begins with a service's own fields, one dictionary a
candidate. All ways predict the same, which is checked.
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness.latency import Latency, time_calls, typical
from benchmarks.harness.publish import how_made, publish
from benchmarks.serving.models import make_models
from benchmarks.serving.requests import make_request
from benchmarks.serving.server_process import serving
from benchmarks.serving.ways import AGAINST, GRPC, GRPC_USUAL, REST, make_calls

_SIZES = (1, 10, 100, 500, 2000)


def as_rows(size: int, found: Mapping[str, Sequence[Latency]]) -> list[dict[str, Any]]:
    """A row a way: milliseconds, and how often it takes the time of the one it is held against."""
    rows = []
    for name, rounds in found.items():
        latency, against = typical(rounds), AGAINST.get(name)
        pairs = zip(rounds, found[against or name], strict=True)
        ratio = float(np.median([a.p50 / b.p50 for a, b in pairs])) if against else None
        rows.append(
            {
                "candidates": size,
                "way": name,
                "p50_ms": 1e3 * latency.p50,
                "p99_ms": 1e3 * latency.p99,
                "cpu_ms": 1e3 * latency.cpu,
                "requests_per_second": 1.0 / latency.p50,
                "against": against,
                "ratio": ratio,
            }
        )
    return rows


def format_table(results: Mapping[str, Any]) -> str:
    """The table and how it was made."""
    lines = [
        "# What ranking costs",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. The demo's model, "
        f"{results['used']} of 8 experts in use, TensorFlow in one thread; "
        f"{results['rounds']} rounds.",
        "",
        "| candidates | way | p50 ms | p99 ms | requests/s | CPU ms | times |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        times = f"{row['ratio']:.2f} of {row['against']}" if row["against"] else ""
        lines.append(
            f"| {row['candidates']:,} | {row['way']} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} "
            f"| {row['requests_per_second']:,.0f} | {row['cpu_ms']:.2f} | {times} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=serving.cost", description="Cost of ranking candidates."
    )
    parser.add_argument("--rounds", type=int, default=9, help="how often each is timed")
    parser.add_argument("--seconds", type=float, default=0.5, help="that one timing takes")
    parser.add_argument("--used", type=int, default=4, help="experts in use, of 8")
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="candidates")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes serving_cost.json and serving_cost.md."""
    options = parse()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    models, rows = make_models(options.used), []
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(getattr(models, name))) for name in ("full", "pruned")
        }
        clocks = {
            GRPC_USUAL: servers["full"].cpu_seconds,
            GRPC: servers["pruned"].cpu_seconds,
            REST: servers["pruned"].cpu_seconds,
        }
        for size in options.sizes:
            request = make_request(models.ranker.config.features, models.examples, size)
            calls = make_calls(models, servers, request)
            rows += as_rows(size, time_calls(calls, options.rounds, options.seconds, clocks))
    results = {
        **how_made("bench", "serving.cost", "tensorflow", "grpcio", "uvicorn"),
        "rounds": options.rounds,
        "used": options.used,
        "rows": rows,
    }
    publish(options.out, "serving_cost", results, format_table(results))


if __name__ == "__main__":
    main()
