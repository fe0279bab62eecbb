"""The ranker of the demo, and batches of noise: what a training step costs."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.harness.timing import Program
from pipeline.config import load_config
from trainer.config import TrainerConfig
from trainer.gates.selector_options import DSelectKOptions
from trainer.model.network import Batch
from trainer.model.ranker import Ranker
from transforms.examples import POSITION, label_name, weight_name
from transforms.features import Feature, NumberFeature
from transforms.preprocessing import missing_name

DEMO = Path(__file__).resolve().parents[2] / "presets" / "demo.yaml"
"""The demo's preset."""

_NUM_IDS = 50


def make_ranker(has_position: bool = True) -> Ranker:
    """8 tasks, 8 experts of 256 units, a static DSelect-k gate; not built yet."""
    config: TrainerConfig = load_config(DEMO).trainer_config("candidate")
    if not has_position:
        model = config.model.model_copy(update={"position": None})
        config = config.model_copy(update={"model": model})
    ranker = Ranker(config, count_ids(config), dict.fromkeys(config.tasks, 0.5))
    ranker.compile(optimizer=tf.keras.optimizers.Adam(config.training.learning_rate))
    return ranker


def use_experts(ranker: Ranker, used: int) -> None:
    """Makes the selectors of a static DSelect-k gate binary, on the first `used` experts.

    Args:
        ranker: that has been built.
        used: experts that the tasks use together.
    """
    options = ranker.config.gate
    assert isinstance(options, DSelectKOptions)
    z = ranker.gate.z.bias  # [T, k, m]
    rng = np.random.default_rng(0)
    codes = rng.integers(0, used, z.shape[:2])
    codes.flat[:used] = np.arange(used)
    bits = (codes[..., np.newaxis] >> np.arange(z.shape[-1])) & 1
    z.assign(np.where(bits, options.beta, -options.beta))


def count_ids(config: TrainerConfig) -> dict[str, int]:
    """Rows of the embedding of each embedded feature."""
    return {name: _NUM_IDS for name, feature in config.features.items() if feature.is_embedded}


def make_batch(config: TrainerConfig, size: int, seed: int = 0) -> Batch:
    """Transformed features, labels and weights [B] of noise."""
    rng = np.random.default_rng(seed)
    batch = {POSITION: rng.integers(1, 10, size)}
    for name, feature in config.features.items():
        if feature.is_embedded:
            batch[name] = rng.integers(0, _NUM_IDS, _shape(feature, size))
        else:
            batch[name] = rng.normal(size=size).astype(np.float32)
        if isinstance(feature, NumberFeature) and feature.missing_indicator:
            batch[missing_name(name)] = rng.integers(0, 2, size).astype(np.float32)
    for task in config.tasks:
        batch[label_name(task)] = rng.integers(0, 2, size).astype(np.float32)
        batch[weight_name(task)] = np.ones(size, np.float32)
    return {name: tf.constant(values) for name, values in batch.items()}


def _shape(feature: Feature, size: int) -> tuple[int, ...]:
    return (size,) if feature.list_length is None else (size, feature.list_length)


def make_program(ranker: tf.keras.Model, batch: Batch) -> Program:
    """A model's own training step, many times in one graph."""
    ranker.train_step(batch)  # makes the variables, which a graph must not

    @tf.function
    def run(count: tf.Tensor) -> None:
        for _ in tf.range(count):
            ranker.train_step(batch)

    return lambda count: run(tf.constant(count))
