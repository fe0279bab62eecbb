"""What a step on a very large embedding table costs, in time and in memory.

    make bench NAME=training.embedding [ARGS="--rows 1000000"]

Each optimizer trains in a process of its own, whose peak memory is held against that of the
table and of the optimizer's slots.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness.processes import peak_mb, python, reset_peak, run_process
from benchmarks.harness.publish import how_made, publish

DIM, BATCH, LIST = 32, 2048, 10
WAYS = ("adam, lazy", "adam of Keras", "adagrad", "sgd")
_STEPS = 12


def train(way: str, rows: int) -> dict[str, Any]:
    """Trains on random ids in this process: seconds of each step, and memory in MB."""
    import tensorflow as tf

    from trainer.config import Training
    from trainer.optimizers import make_optimizer

    table = tf.keras.layers.Embedding(rows, DIM)
    head = tf.keras.layers.Dense(1)
    lazy_rows = 1 if way == "adam, lazy" else 2**31
    training = Training(optimizer=way.split()[0].strip(","), lazy_rows=lazy_rows)
    optimizer = make_optimizer(training, epoch_steps=1)

    @tf.function
    def step(ids: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = head(tf.reduce_mean(table(ids), axis=1))[:, 0]
            each = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(each)
        variables = [*table.trainable_variables, *head.trainable_variables]
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    head(tf.reduce_mean(table(tf.zeros([1, LIST], tf.int64)), axis=1))
    optimizer.build([*table.trainable_variables, *head.trainable_variables])
    reset_peak()
    before = peak_mb()
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(_STEPS):
        ids = tf.constant(rng.integers(0, rows, (BATCH, LIST)))
        labels = tf.constant(rng.integers(0, 2, BATCH).astype(np.float32))
        started = time.perf_counter()
        step(ids, labels)
        seconds.append(time.perf_counter() - started)
    slots = {"adam": 2, "adagrad": 1, "sgd": 0}[training.optimizer]
    return {
        "way": way,
        "milliseconds": 1e3 * median(seconds[2:]),
        "variables_mb": (1 + slots) * rows * DIM * 4 / 2**20,
        "before_mb": before,
        "peak_mb": peak_mb(),
    }


def measure(way: str, rows: int, work: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    work.mkdir(parents=True, exist_ok=True)
    log = work / "log.txt"
    run_process(python(["-m", f"{__package__}.embedding", "--way", way, "--rows", str(rows)]), log)
    result: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return result


def format_table(results: Mapping[str, Any]) -> str:
    """The table and how it was made."""
    lines = [
        "# What a large embedding table costs",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. "
        f"{results['rows']:,} rows of {DIM} numbers; a step looks up {BATCH:,} lists of {LIST}. "
        f"{results['note']}".rstrip(),
        "",
        "*Variables* are the table and the optimizer's slots; *before* and *peak* the resident "
        "memory before the first step and at most during all. A gradient as large as the table "
        f"would add {results['rows'] * DIM * 4 / 2**20:,.0f} MB.",
        "",
        "| optimizer | ms a step | variables MB | before MB | peak MB | added MB |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["ways"]:
        lines.append(
            f"| {row['way']} | {row['milliseconds']:,.1f} | {row['variables_mb']:,.0f} | "
            f"{row['before_mb']:,.0f} | {row['peak_mb']:,.0f} | "
            f"{row['peak_mb'] - row['before_mb']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=training.embedding", description="Cost of a large table."
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the table")
    parser.add_argument("--note", default="", help="a sentence for the table, such as of the load")
    parser.add_argument("--work", type=Path, default=Path("build/bench/training"))
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes training_embedding.json and .md."""
    options = parse()
    if options.way:
        print(json.dumps(train(options.way, options.rows)))
        return
    ways = []
    for way in WAYS:
        print(f"{way} ...", file=sys.stderr, flush=True)
        ways.append(measure(way, options.rows, options.work))
    results = {
        **how_made("bench", "training.embedding", "tensorflow", "tf-keras"),
        "note": options.note,
        "rows": options.rows,
        "ways": ways,
    }
    publish(options.out, "training_embedding", results, format_table(results))


if __name__ == "__main__":
    main()
