"""The same trainings under one strategy, in a process of its own: run as a script by the tests.

Logical devices and clusters are set up before TensorFlow starts. What a training ends with goes
to a file, for the tests to compare.
"""

import os
import sys
from pathlib import Path

import numpy as np

import trainer  # noqa: F401  (selects Keras 2)

import tensorflow as tf  # isort: skip
import tensorflow_transform as tft
from conftest import tiny_config

from trainer.batch_part import find_part
from trainer.config import TrainerConfig
from trainer.dataset import Batches
from trainer.strategies.cluster import read_cluster
from trainer.strategies.distribution import Distribution, distributed, serve
from trainer.strategies.options import ClusterSection, parse_strategy
from trainer.train import train
from trainer.warm_start.bundle import BASE_FILE
from transforms.examples import SPLITS

# Name -> the gate, and a batch size that leaves a last batch of another kind: a replica of four
# without examples, a size that is no multiple, most replicas without examples.
CASES = {
    "static": (
        {
            "kind": "dselect_k",
            "experts_per_task": 2,
            # Selectors that start apart, for no rounding to decide which way they go.
            "initial_scale": 0.3,
            "beta_steps": 8,
            "serving_budget": 2,
            "budget_weight": 1.0,
            "entropy_growth": 0.01,
        },
        128,
    ),
    "hard-balance": (
        {"kind": "top_k", "per_example": True, "balance": {"kind": "relative", "threshold": 0.2}},
        126,
    ),
    "soft-balance": ({"kind": "dselect_k", "per_example": True, "balance": {"kind": "kl"}}, 130),
}
METRIC_STATE = "gate_importance"
# The case that begins from a base.
WARM = "static"


def make_config(case: str) -> TrainerConfig:
    """One epoch of 20 steps of plain gradient descent, with every penalty and nothing random."""
    gate, batch_size = CASES[case]
    model = {
        "num_experts": 4 if case == "static" else 3,
        "expert_units": [8],
        "tower_units": [4],
        "embedding_dim": 3,
        "wide": True,
        "position": {"max_position": 10, "dropout": 0.0},
    }
    training = {
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "final_learning_rate": 0.5,
        "batch_size": batch_size,
        "max_epochs": 1,
        # Of experts that nobody uses any more, only whole training lowers the kernels.
        "l2": 0.0 if case == "static" else 1e-3,
        "embedding_l2": 1e-2,
    }
    config = tiny_config(gate=gate, model=model, training=training).trainer_config("candidate")
    # Hours up to 23, not normalised, are too much for plain gradient descent.
    features = {name: f for name, f in config.features.items() if name != "hour"}
    return config.model_copy(update={"features": features})


def open_batches(case: str, folder: Path) -> tuple[tft.TFTransformOutput, Batches]:
    """The transform graph, and the batches of the training."""
    transform = tft.TFTransformOutput(str(folder / "transform"))
    config = make_config(case)
    files = [str(folder / "transform" / "train-*")]
    return transform, Batches(files, transform, config.training.batch_size, config.training.seed)


def run_case(case: str, place: Distribution, name: str, folder: Path) -> None:
    """Trains, and writes the weights, the figures and the examples that this process read."""
    transform, batches = open_batches(case, folder)
    files = ([str(folder / "transform" / f"{split}-*")] for split in SPLITS)
    record_dir = folder / "records" / name / f"{case}-{place.index}"
    base = folder / BASE_FILE if case == WARM else None
    ranker, record = train(make_config(case), transform, *files, record_dir, place, base=base)
    kept = {
        f"{'metric' if METRIC_STATE in weight.name else 'weight'} {i:02}": value
        for i, (weight, value) in enumerate(zip(ranker.weights, ranker.get_weights(), strict=True))
    }
    kept |= {f"figure {key}": value for key, value in record["epochs"][0].items()}
    kept["narrowed"] = (record["union_training"] or {"step": -1})["step"]
    kept["wrote"] = record_dir.exists()
    if not place.asynchronous_workers:
        kept["income"] = read_epoch(place, batches)
    np.savez(folder / f"{name}-{place.index}-{case}.npz", **kept)


def read_epoch(place: Distribution, batches: Batches) -> np.ndarray:
    """A column of the examples that this process's replicas get in an epoch."""
    iterator, rows = iter(place.distribute(batches)), []
    for _ in range(batches.steps):
        batch, local = next(iterator), place.strategy.experimental_local_results
        part = find_part(batch)
        here = [True] if part is None else [p.numpy() > 0 for p in local(part.present)]
        rows += [v.numpy()[p] for v, p in zip(local(batch["income"]), here, strict=True)]
    return np.concatenate([row.ravel() for row in rows])


def main() -> None:
    """Arguments: the folder, and `kind` or `mirrored-<devices>`."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    kind, _, devices = name.partition("-")
    options, cluster = parse_strategy(kind), None
    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * int(devices)
        tf.config.set_logical_device_configuration(cpu, logical)
    if isinstance(options, ClusterSection):
        cluster = read_cluster(options, os.environ)
        if kind == "parameter_server" and not cluster.is_chief:
            # As in a small container, where a server has a thread for each core.
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            serve(cluster)
    with distributed(options, cluster) as place:
        for case in CASES:
            run_case(case, place, name, folder)


if __name__ == "__main__":
    main()
