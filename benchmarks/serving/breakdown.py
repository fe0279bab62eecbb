"""Where the time of a ranking request goes, and what each signature costs.

    make bench NAME=serving.breakdown [ARGS="--candidates 500 --rounds 200"]

The stages of the graph are told by the scopes of its operations, in traces of TensorFlow's own
runtime; what is before and after them by the server's own functions.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.harness.latency import time_calls, typical
from benchmarks.harness.publish import how_made, publish
from benchmarks.serving.messages import make_predict
from benchmarks.serving.models import ServedModels, make_models
from benchmarks.serving.requests import Columns, make_request
from benchmarks.serving.stages import time_server, trace_stages
from trainer.export.save import MANIFEST_FILE


def time_signatures(
    models: ServedModels, columns: Columns, examples: Columns
) -> list[dict[str, Any]]:
    """Of each signature for predictions: its tasks, its experts, its time."""
    folder = models.pruned / "1"
    model = tf.saved_model.load(str(folder))
    tasks = json.loads((folder / MANIFEST_FILE).read_text())["tasks"]
    groups = {name: [t for t in tasks if tasks[t]["group"] == name] for name in _groups(tasks)}
    members = {"rank": list(tasks), "serving_default": list(tasks)}
    members |= {f"predict_{name}": found for name, found in groups.items()}
    members |= {f"predict_{name}": [name] for name in tasks}
    calls = {}
    for name in members:
        inputs = columns if name == "rank" else examples
        tensors = {key: tf.constant(values) for key, values in inputs.items()}
        calls[name] = _call(model.signatures[name], tensors)
    rows = []
    for name, found in time_calls(calls, 5, 0.5).items():
        experts = sorted({e for task in members[name] for e in tasks[task]["experts"]})
        rows.append(
            {
                "signature": name,
                "tasks": len(members[name]),
                "experts": len(experts),
                "p50_ms": 1e3 * typical(found).p50,
            }
        )
    return rows


def _groups(tasks: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(task["group"] for task in tasks.values()))


def _call(signature: Any, tensors: Mapping[str, tf.Tensor]) -> Callable[[], object]:
    return lambda: [value.numpy() for value in signature(**tensors).values()]


def format_table(results: Mapping[str, Any]) -> str:
    """The tables and how they were made."""
    size = results["candidates"]
    total = sum(results["stages_ms"].values())
    lines = [
        "# Where the time of a ranking goes",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. The demo's model, "
        f"{results['used']} of 8 experts in use, {size} candidates, TensorFlow in one thread; "
        "medians.",
        "",
        "`rank` by gRPC. *Runtime* is what TensorFlow needs around its operations, *connection* "
        "all that is neither the graph's nor reading and writing messages.",
        "",
        "| stage | ms | share |",
        "|---|---|---|",
    ]
    for name, milliseconds in results["stages_ms"].items():
        lines.append(f"| {name} | {milliseconds:.2f} | {100 * milliseconds / total:.0f}% |")
    lines += [
        f"| all | {total:.2f} | |",
        "",
        f"Signatures in TensorFlow's runtime, {size} candidates or examples:",
        "",
        "| signature | tasks | experts | ms |",
        "|---|---|---|---|",
    ]
    for row in results["signatures"]:
        lines.append(
            f"| {row['signature']} | {row['tasks']} | {row['experts']} | {row['p50_ms']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=serving.breakdown", description="Where the time of a ranking goes."
    )
    parser.add_argument("--candidates", type=int, default=500, help="of the request")
    parser.add_argument("--used", type=int, default=4, help="experts in use, of 8")
    parser.add_argument("--rounds", type=int, default=200, help="traces that are taken")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints the tables and writes serving_breakdown.json and .md."""
    options = parse()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    models = make_models(options.used)
    request = make_request(models.ranker.config.features, models.examples, options.candidates)
    columns = request.columns()
    graph = trace_stages(models.pruned / "1", "rank", columns, options.rounds)
    server = time_server(models.pruned, make_predict("rank", columns), options.rounds)
    stages = {name: seconds for name, seconds in graph.items() if name != "parse"}
    stages["messages"] = server["messages"]
    stages["connection"] = max(server["whole"] - server["answer"], 0.0)
    results = {
        **how_made("bench", "serving.breakdown", "tensorflow", "grpcio"),
        "candidates": options.candidates,
        "used": options.used,
        "stages_ms": {name: 1e3 * seconds for name, seconds in stages.items()},
        "signatures": time_signatures(models, columns, request.examples()),
    }
    publish(options.out, "serving_breakdown", results, format_table(results))


if __name__ == "__main__":
    main()
