"""The same trainings under one strategy, in a process of its own: run as a script by the tests.

Logical devices and clusters are set up before TensorFlow starts. What a training ends with goes
to a file, for the tests to compare.
"""

import sys
from pathlib import Path

import numpy as np

import trainer  # noqa: F401  (selects Keras 2)

import tensorflow as tf  # isort: skip
import tensorflow_transform as tft
from conftest import tiny_config

from trainer.config import TrainerConfig
from trainer.dataset import Batches
from trainer.strategies.cluster import read_cluster
from trainer.strategies.distribution import Distribution, distributed, serve
from trainer.strategies.options import ClusterSection, parse_strategy
from trainer.train import train

SPLITS = ("train", "eval")
NUM_DEVICES = 4
# Name -> the gate, and a batch size that leaves a last batch of another kind: a replica of four
# without examples, a size that is no multiple, most replicas without examples.
CASES = {
    "static": (
        {
            "kind": "dselect_k",
            "experts_per_task": 2,
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


def run_cases(place: Distribution, name: str, folder: Path) -> None:
    """Trains each case, and writes weights, record and the examples that were read."""
    transform = tft.TFTransformOutput(str(folder / "transform"))
    files = {split: [str(folder / "transform" / f"{split}-*")] for split in SPLITS}
    for case in CASES:
        record_dir = folder / "records" / name / case
        ranker, record = train(
            make_config(case), transform, files["train"], files["eval"], record_dir, place
        )
        weights = {f"weight {i:03}": w for i, w in enumerate(ranker.get_weights())}
        facts = {f"epoch {key}": value for key, value in record["epochs"][0].items()}
        facts["union step"] = (record["union_training"] or {"step": -1})["step"]
        if not place.asynchronous_workers:
            batches = Batches(files["train"], transform, make_config(case).training.batch_size, 1)
            facts["income"] = read_epoch(place, batches)
        np.savez(folder / f"{name}-{place.index}-{case}.npz", **weights, **facts)


def read_epoch(place: Distribution, batches: Batches) -> np.ndarray:
    """A column of the examples that this process's replicas get in an epoch."""
    iterator, rows = iter(place.distribute(batches)), []
    for _ in range(batches.steps):
        batch = next(iterator)
        for part in zip(*map(place.strategy.experimental_local_results, batch.values())):
            columns = dict(zip(batch, part, strict=True))
            present = columns.get("_present", tf.ones_like(columns["income"]))
            rows.append(columns["income"].numpy()[present.numpy() > 0])
    return np.concatenate(rows)


def main() -> None:
    """Arguments: the folder, and the strategies to run one after the other, as JSON or words."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    cpu = tf.config.list_physical_devices("CPU")[0]
    for name in names:
        kind, _, devices = name.partition("-")
        if kind == "mirrored":
            logical = [tf.config.LogicalDeviceConfiguration()] * NUM_DEVICES
            tf.config.set_logical_device_configuration(cpu, logical)
            options = parse_strategy({"kind": kind, "devices": int(devices)})
        else:
            options = parse_strategy(kind)
        cluster = None
        if isinstance(options, ClusterSection):
            cluster = read_cluster(options, __import__("os").environ)
            if kind == "parameter_server" and not cluster.is_chief:
                serve(cluster)
        with distributed(options, cluster) as place:
            run_cases(place, name, folder)


if __name__ == "__main__":
    main()
