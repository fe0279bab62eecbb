"""What a training step costs: ours, ours after convergence, and a plain Keras MMoE.

    make bench NAME=training.step [ARGS="--rounds 9 --seconds 2"]

All of them compute the same function: the rival gets our weights, and must predict the same.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness.demo_ranker import (
    count_ids,
    make_batch,
    make_program,
    make_ranker,
    use_experts,
)
from benchmarks.harness.publish import how_made, publish
from benchmarks.harness.timing import Program, ratio, time_rounds
from benchmarks.training.plain_mmoe import PlainMMoE, copy_weights
from trainer.model.network import Batch
from trainer.model.ranker import Ranker

BATCH_SIZES = {"demo": 512, "paper": 2048}
PLAIN, OURS, UNION = "plain Keras", "gaterank", "gaterank, 4 of 8 experts in use"
_USED = 4


def make_union(batch: Batch) -> Ranker:
    """A ranker whose gates have just become binary, on half of the experts."""
    ranker = make_ranker(has_position=False)
    ranker.train_step(batch)
    use_experts(ranker, _USED)
    ranker.train_step(batch)
    assert ranker.can_narrow
    ranker.narrow()
    return ranker


def make_plain(ranker: Ranker, batch: Batch) -> PlainMMoE:
    """The rival with the ranker's weights.

    Raises:
        AssertionError: if it does not predict the same.
    """
    plain = PlainMMoE(ranker.config, count_ids(ranker.config))
    plain.compile(optimizer=tf.keras.optimizers.Adam(ranker.config.training.learning_rate))
    plain(batch)
    copy_weights(ranker, plain)
    ours, theirs = ranker(batch).logits.numpy(), np.stack([x.numpy() for x in plain(batch)])
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
    return plain


def make_programs(batch_size: int) -> dict[str, Program]:
    """Name -> training steps on one batch."""
    ranker = make_ranker(has_position=False)
    batch = make_batch(ranker.config, batch_size)
    ranker(batch)
    return {
        PLAIN: make_program(make_plain(ranker, batch), batch),
        OURS: make_program(ranker, batch),
        UNION: make_program(make_union(batch), batch),
    }


def as_row(name: str, times: Mapping[str, list[float]], batch_size: int) -> dict[str, Any]:
    """For the JSON file: examples a second, and how many times the rival's."""
    rates = sorted(batch_size / seconds for seconds in times[name])
    return {
        "name": name,
        "batch_size": batch_size,
        "milliseconds": 1e3 * median(times[name]),
        "examples_per_second": {"min": rates[0], "median": median(rates), "max": rates[-1]},
        "times_plain": ratio(times[PLAIN], times[name]),
    }


def format_table(results: Mapping[str, Any]) -> str:
    """The table and how it was made."""
    lines = [
        "# What a training step costs",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. 8 tasks, 8 experts "
        f"of 256 units, the demo's inputs; {results['rounds']} rounds. {results['note']}".rstrip(),
        "",
        "| step | batch | ms | examples/s: min | median | max | times plain Keras |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["steps"]:
        rates = row["examples_per_second"]
        shown = " | ".join(f"{rates[which]:,.0f}" for which in ("min", "median", "max"))
        lines.append(
            f"| {row['name']} | {row['batch_size']:,} | {row['milliseconds']:.1f} | {shown} | "
            f"{row['times_plain']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=training.step", description="Cost of a training step."
    )
    parser.add_argument("--rounds", type=int, default=9, help="how often each is timed")
    parser.add_argument("--seconds", type=float, default=2.0, help="that one timing takes")
    parser.add_argument("--note", default="", help="a sentence for the table, such as of the load")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes training_step.json and training_step.md."""
    options = parse()
    steps = []
    for size in BATCH_SIZES.values():
        times = time_rounds(make_programs(size), options.rounds, options.seconds)
        steps += [as_row(name, times, size) for name in times]
    results = {
        **how_made("bench", "training.step", "tensorflow", "tf-keras"),
        "note": options.note,
        "rounds": options.rounds,
        "steps": steps,
    }
    publish(options.out, "training_step", results, format_table(results))


if __name__ == "__main__":
    main()
