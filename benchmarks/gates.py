"""What a gate costs: forward and backward, all tasks at once against one layer a task.

    make bench NAME=gates [ARGS="--quick --out FOLDER"]

A step is forward, backward and a plain gradient step of the gate alone: of its variables and,
per example, of its inputs. All programs are timed in turn, round after round, in one process.
Times are those of the fastest round; ratios are medians over rounds of the ratio inside a round,
so that a load which comes and goes does not touch them. The ranker is that of the demo, with
its own training step.
"""

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import trainer  # noqa: F401  (selects Keras 2)

import tensorflow as tf  # isort: skip

from benchmarks.harness.demo_ranker import make_batch, make_program, make_ranker
from benchmarks.harness.publish import how_made, publish
from benchmarks.harness.timing import Program, ratio, time_rounds
from trainer.gates.base import Gate, GateOutput
from trainer.gates.registry import make_gate, parse_gate

BATCH_SIZE = 2048
RANKER = "ranker"
TOGETHER, APART = "all tasks at once", "one layer a task"


class Size(NamedTuple):
    """T, n and k of the gates that have one."""

    num_tasks: int
    num_experts: int
    experts_per_task: int

    def __str__(self) -> str:
        return f"{self.num_tasks} x {self.num_experts}"


SMALL, LARGE = Size(8, 8, 2), Size(128, 128, 4)
PER_EXAMPLE = {"per_example": True}
STATIC: dict[str, dict[str, Any]] = {
    "softmax": {"kind": "softmax"},
    "top_k": {"kind": "top_k"},
    "gumbel_softmax": {"kind": "gumbel_softmax"},
    "dselect_k": {"kind": "dselect_k"},
    "dselect_k, budget": {"kind": "dselect_k", "serving_budget": 4},
    "dselect_k_annealed": {"kind": "dselect_k_annealed"},
    "dselect_k_entropy": {"kind": "dselect_k_entropy"},
}
DYNAMIC: dict[str, dict[str, Any]] = {
    "softmax per example": {"kind": "softmax", **PER_EXAMPLE},
    "top_k per example": {"kind": "top_k", **PER_EXAMPLE},
    "top_k per example, kl": {"kind": "top_k", **PER_EXAMPLE, "balance": {"kind": "kl"}},
    "top_k per example, mean": {"kind": "top_k", **PER_EXAMPLE, "balance": {"kind": "mean"}},
    "noisy_top_k per example": {"kind": "noisy_top_k"},
    "dselect_k per example": {"kind": "dselect_k", **PER_EXAMPLE},
    "sampled per example": {"kind": "sampled"},
}


def make_gates(section: dict[str, Any], size: Size, layers: int = 1) -> list[Gate]:
    """The gate of all tasks as so many layers."""
    k = {"experts_per_task": size.experts_per_task}
    has_k = section["kind"] not in ("softmax", "gumbel_softmax", "sampled")
    options = parse_gate(section | (k if has_k else {}))
    tasks = size.num_tasks // layers
    return [make_gate(tasks, size.num_experts, options) for _ in range(layers)]


def objective(output: GateOutput, wanted: tf.Tensor) -> tf.Tensor:
    """A scalar in which every weight and penalty counts."""
    losses = tf.reduce_sum(output.weights * wanted, axis=-1)  # [.., T]
    if output.example_weights is not None:
        losses *= output.example_weights
    return tf.add_n([tf.reduce_sum(losses), *output.penalties.values()])


def make_step(gates: Sequence[Gate], inputs: tf.Variable) -> Program:
    """Forward, backward and a gradient step of these gates, many times in one graph."""
    shapes = [gate(inputs).weights.shape for gate in gates]
    wanted = [tf.random.stateless_normal(shape, [1, i]) for i, shape in enumerate(shapes)]
    variables = [v for gate in gates for v in gate.trainable_variables]
    variables += [inputs] if gates[0].per_example else []

    @tf.function(autograph=False)
    def step() -> None:
        with tf.GradientTape() as tape:
            outputs = [gate(inputs, training=True) for gate in gates]
            loss = tf.add_n([objective(o, w) for o, w in zip(outputs, wanted, strict=True)])
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(1e-6 * gradient)

    @tf.function
    def run(count: tf.Tensor) -> None:
        for _ in tf.range(count):
            step()

    return lambda count: run(tf.constant(count))


def make_programs(sizes: Sequence[Size]) -> dict[str, Program]:
    """Name -> what is timed."""
    ranker = make_ranker()
    batch = make_batch(ranker.config, BATCH_SIZE)
    programs = {RANKER: make_program(ranker, batch)}
    width = ranker.feature_inputs(batch).shape[-1]
    inputs = tf.Variable(tf.random.stateless_normal([BATCH_SIZE, width], [0, 0]))
    for size, (name, section) in itertools.product(sizes, STATIC.items()):
        for way, layers in {TOGETHER: 1, APART: size.num_tasks}.items():
            programs[key(name, size, way)] = make_step(make_gates(section, size, layers), inputs)
    for name, section in DYNAMIC.items():
        programs[key(name, SMALL, TOGETHER)] = make_step(make_gates(section, SMALL), inputs)
    return programs


def key(name: str, size: Size, way: str) -> str:
    """The name of a program."""
    return f"{name}, {size}, {way}"


def make_rows(times: Mapping[str, list[float]], sizes: Sequence[Size]) -> list[dict[str, Any]]:
    """One row a gate and size."""
    rows = []
    for size, name in itertools.product(sizes, [*STATIC, *DYNAMIC]):
        together, apart = (times.get(key(name, size, way)) for way in (TOGETHER, APART))
        if together is None:
            continue
        row: dict[str, Any] = {"gate": name, "size": str(size), "ms": 1e3 * min(together)}
        if apart is not None:
            row["one_layer_a_task"] = ratio(apart, together)
        if size == SMALL:
            row["percent_of_ranker"] = 100.0 * ratio(together, times[RANKER])
        rows.append(row)
    return rows


def format_table(results: Mapping[str, Any]) -> str:
    """The rows and where they come from, as markdown."""
    lines = [
        "# What a gate costs",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}.",
        "",
        f"Forward, backward and a gradient step: the fastest of {results['rounds']} rounds, and "
        "the median over rounds of what is compared. "
        f"A training step of the demo's ranker (8 tasks, 8 experts of 256 units, batch "
        f"{BATCH_SIZE}) took {results['ranker_ms']:.0f} ms. *One layer a task* is how many times "
        "longer it takes as so many layers of one task each.",
        "",
        "| gate | tasks x experts | ms | % of the ranker's step | one layer a task |",
        "|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        share, times = row.get("percent_of_ranker"), row.get("one_layer_a_task")
        lines.append(
            f"| {row['gate']} | {row['size']} | {row['ms']:.2f} | "
            f"{'' if share is None else f'{share:.1f}'} | "
            f"{'' if times is None else f'{times:.1f} x'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Times all gates, prints the table and writes gates.json and gates.md."""
    parser = argparse.ArgumentParser(description="What a gate costs.")
    parser.add_argument("--quick", action="store_true", help="small gates, few rounds")
    parser.add_argument("--rounds", type=int, help="how often each program is timed")
    parser.add_argument(
        "--out", type=Path, help="folder to write to; docs/benchmarks, or in build/ with --quick"
    )
    arguments = parser.parse_args()
    sizes = [SMALL] if arguments.quick else [SMALL, LARGE]
    rounds = arguments.rounds or (5 if arguments.quick else 21)
    times = time_rounds(make_programs(sizes), rounds, 0.05)
    results = {
        **how_made("bench", "gates", "tensorflow"),
        "rounds": rounds,
        "ranker_ms": 1e3 * min(times[RANKER]),
        "rows": make_rows(times, sizes),
        "seconds": times,
    }
    # A quick look must not take the place of the committed figures.
    out = arguments.out or Path("build" if arguments.quick else "docs", "benchmarks")
    publish(out, "gates", results, format_table(results))


if __name__ == "__main__":
    main()
