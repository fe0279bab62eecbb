"""Rankers over vocabularies that change from one day to the next, made without Beam."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.config import TrainerConfig
from trainer.model.ranker import Ranker
from trainer.warm_start.bundle import BASE_FILE
from trainer.warm_start.start import save_base, start_from
from transforms.examples import POSITION, label_name, weight_name
from transforms.preprocessing import missing_name

OLD, NEW = ("a", "b", "c", "d"), ("d", "fresh", "a", "c", "newer")
K2 = {"experts_per_task": 2}
GATES = {
    "dselect_k": {"kind": "dselect_k", **K2},
    "dselect_k, falling beta": {"kind": "dselect_k", "beta_steps": 5, **K2},
    "dselect_k, random codes": {"kind": "dselect_k", "unused_codes": "random", **K2},
    "dselect_k, per example": {"kind": "dselect_k", "per_example": True, "beta_steps": 9, **K2},
    "annealed": {"kind": "dselect_k_annealed", "steps": 4, **K2},
    "entropy": {"kind": "dselect_k_entropy", **K2},
    "top_k": {"kind": "top_k", **K2},
    "top_k, per example": {"kind": "top_k", "per_example": True, **K2},
    "noisy": {"kind": "noisy_top_k", **K2},
    "softmax": {"kind": "softmax"},
    "gumbel": {"kind": "gumbel_softmax"},
    "sampled": {"kind": "sampled"},
    "shared bottom": {"kind": "shared_bottom"},
}
HASHES, QUANTILES, OTHERS, ROWS = 7, 5, 2, 40
FEATURES = {
    "age": {"of": "user", "kind": "numeric", "missing_indicator": True},
    "segment": {"of": "user", "kind": "categorical", "hash_buckets": HASHES},
    "seen": {
        "of": "user",
        "kind": "categorical",
        "multivalued": True,
        "max_values": 3,
        "shares": "item",
        "pooling": "attention",
    },
    "item": {"of": "item", "kind": "categorical", "num_oov_buckets": OTHERS},
    "price": {"of": "item", "kind": "numeric", "transform": "buckets", "num_buckets": QUANTILES},
}


class Vocabulary:
    """What a warm start asks of a transform graph."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def vocabulary_by_name(self, name: str) -> list[bytes]:
        assert name == "item"
        return [word.encode() for word in self.words]


def make_config(tasks: str = "click like watch", **sections: Any) -> TrainerConfig:
    """A feature of every kind; tasks by name, `watch` is a regression."""
    document = {
        "features": FEATURES,
        "tasks": {
            name: {
                "kind": "regression" if name == "watch" else "classification",
                "group": "engagement",
                "label": {"event": name, "aggregation": "sum" if name == "watch" else "any"},
            }
            for name in tasks.split()
        },
        "score": tasks.split()[0],
        "gate": {"kind": "dselect_k", "experts_per_task": 2},
    }
    model = {
        "num_experts": 4,
        "expert_units": [6],
        "tower_units": [5],
        "embedding_dim": 3,
        "wide": True,
        "position": {"max_position": 9, "dropout": 0.0},
    }
    sections["model"] = model | sections.get("model", {})
    return TrainerConfig.model_validate(document | sections)


def make_batch(
    words: tuple[str, ...], shown: tuple[str, ...], config: TrainerConfig
) -> dict[str, tf.Tensor]:
    """The same rows whatever the ids of their words: `shown`, some others, some missing."""
    rng = np.random.default_rng(5)
    ids = np.array([words.index(word) + 1 for word in shown])
    known = np.array([0, *ids, *(len(words) + 1 + np.arange(OTHERS))])
    columns = {
        "age": rng.normal(size=ROWS),
        missing_name("age"): rng.integers(2, size=ROWS),
        "segment": rng.integers(HASHES + 1, size=ROWS),
        "seen": known[rng.integers(len(known), size=(ROWS, 3))],
        "item": known[rng.integers(len(known), size=ROWS)],
        "price": rng.integers(QUANTILES + 1, size=ROWS),
        POSITION: rng.integers(1, 9, size=ROWS),
    }
    for task in config.tasks:
        columns |= {label_name(task): rng.integers(2, size=ROWS), weight_name(task): np.ones(ROWS)}
    whole = ("segment", "seen", "item", "price", POSITION)
    return {
        name: tf.constant(values, tf.int64 if name in whole else tf.float32)
        for name, values in columns.items()
    }


def make_ranker(config: TrainerConfig, words: tuple[str, ...] = OLD, seed: int = 1) -> Ranker:
    """Built and compiled, every weight far enough from 0 to matter."""
    tf.keras.utils.set_random_seed(seed)
    counts = {
        "segment": HASHES + 1,
        "item": len(words) + OTHERS + 1,
        "price": QUANTILES + 1,
    }
    ranker = Ranker(config, counts, dict.fromkeys(config.tasks, 0.4))
    ranker(make_batch(words, words[:2], config))
    ranker.compile(optimizer=tf.keras.optimizers.Adam(0.01))
    ranker.optimizer.build(ranker.trainable_variables)
    rng = np.random.default_rng(seed)
    gate = {variable.ref() for variable in ranker.gate.trainable_variables}
    for variable in ranker.trainable_variables:
        if variable.ref() not in gate:
            variable.assign_add(rng.normal(0, 0.2, variable.shape))
    return ranker


def predict(ranker: Ranker, words: tuple[str, ...], shown: tuple[str, ...]) -> dict[str, Any]:
    """Task -> logits of the same rows."""
    logits = ranker(make_batch(words, shown, ranker.config)).logits.numpy()
    return dict(zip(ranker.tasks, logits, strict=True))


def save(ranker: Ranker, folder: Path, words: tuple[str, ...] = OLD) -> Path:
    """The ranker's base."""
    save_base(ranker, Vocabulary(words), folder)
    return folder / BASE_FILE


def start(
    path: Path, config: TrainerConfig, words: tuple[str, ...] = OLD
) -> tuple[Ranker, dict[str, Any]]:
    """Another ranker that starts from a base, and what it took."""
    ranker = make_ranker(config, words, seed=2)
    return ranker, start_from(ranker, Vocabulary(words), path)


def train_a_little(ranker: Ranker, steps: int = 3) -> None:
    """Some steps on the same rows."""
    batch = make_batch(OLD, OLD, ranker.config)
    for _ in range(steps):
        ranker.train_step(batch)


def assert_same(found: dict[str, Any], wanted: dict[str, Any], tasks: Any = None) -> None:
    """Of some tasks, by default of all."""
    for task in tasks or wanted:
        np.testing.assert_allclose(found[task], wanted[task], atol=1e-6, err_msg=task)
