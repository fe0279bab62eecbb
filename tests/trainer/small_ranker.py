"""Rankers on batches of noise, small enough to train in a test."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainer.config import TrainerConfig
from trainer.model.ranker import Ranker
from transforms.examples import POSITION, label_name, weight_name

TASKS = ("click", "like", "watch")


def make_config(tasks: dict[str, dict] | None = None, **sections: Any) -> TrainerConfig:
    """Two features; three tasks, of which the last is a regression."""
    document = {
        "features": {
            "age": {"of": "user", "kind": "numeric"},
            "item": {"of": "item", "kind": "categorical"},
        },
        "tasks": {
            name: {
                "kind": "regression" if name == "watch" else "classification",
                "group": "engagement",
                "label": {"event": name, "aggregation": "sum" if name == "watch" else "any"},
                **(tasks or {}).get(name, {}),
            }
            for name in TASKS
        },
        "score": "click",
        "gate": {"kind": "softmax"},
    }
    model = {
        "num_experts": 4,
        "expert_units": [6],
        "tower_units": [5],
        "embedding_dim": 3,
        "cross_layers": 1,
    }
    sections["model"] = model | sections.get("model", {})
    return TrainerConfig.model_validate(document | sections)


def make_batch(size: int = 64, seed: int = 0) -> dict[str, tf.Tensor]:
    """Likes come after clicks only."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=size)
    click = rng.random(size) < 1 / (1 + np.exp(-age))
    labels = {
        "click": click,
        "like": click & (rng.random(size) < 0.5),
        "watch": age + rng.normal(size=size),
    }
    batch = {"age": age, POSITION: rng.integers(1, 5, size), "item": rng.integers(0, 9, size)}
    for name, label in labels.items():
        batch |= {label_name(name): label, weight_name(name): np.ones(size)}
    integers = (POSITION, "item")
    return {
        name: tf.constant(values, tf.int64 if name in integers else tf.float32)
        for name, values in batch.items()
    }


def make_ranker(config: TrainerConfig, seed: int = 1, rate: float = 0.05) -> Ranker:
    """A ranker that is built and compiled."""
    tf.keras.utils.set_random_seed(seed)
    ranker = Ranker(config, {"item": 9}, dict.fromkeys(TASKS, 0.4))
    ranker(make_batch())
    ranker.compile(optimizer=tf.keras.optimizers.SGD(rate))
    ranker.optimizer.build(ranker.trainable_variables)
    return ranker


def step_function(ranker: Ranker) -> tf.Graph:
    """The graph of a training step."""
    step = tf.function(lambda batch: ranker.train_step(batch))
    return step.get_concrete_function(make_batch()).graph
