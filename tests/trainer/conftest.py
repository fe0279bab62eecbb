"""A tiny data set, its transform graph and a ranker trained on it, made once a session."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from pipeline.config import RankerConfig
from trainer.config import TrainerConfig
from trainer.model.ranker import Ranker
from trainer.train import train
from transforms.examples import SPLITS
from transforms.transform_examples import transform_examples

NUM_EXAMPLES, NUM_TRAIN = 3000, 2500
RECENT = {"of": "user", "kind": "sequence", "by": "user_id"}
EVENTS = {"click": "classification", "like": "classification", "watch": "regression"}


@dataclass(frozen=True)
class Trained:
    """What a test may look at."""

    config: RankerConfig
    examples: list[bytes]
    transform: tft.TFTransformOutput
    files: dict[str, list[str]]
    ranker: Ranker
    record: dict


def tiny_config(**changes) -> RankerConfig:
    """A ranker with one feature of every kind."""
    document = {
        "name": "tiny",
        "features": {
            "age": {"of": "user", "kind": "numeric", "missing_indicator": True},
            "income": {"of": "user", "kind": "numeric", "transform": "log_z_score"},
            "segment": {"of": "user", "kind": "categorical", "hash_buckets": 50},
            "hour": {"of": "context", "kind": "numeric", "transform": "identity"},
            "price": {"of": "item", "kind": "numeric", "transform": "buckets", "num_buckets": 8},
            "category": {"of": "item", "kind": "categorical", "vocabulary_size": 5},
            "tags": {"of": "item", "kind": "categorical", "multivalued": True, "max_values": 3},
            "recent": {**RECENT, "column": "category", "task": "click", "length": 4},
        },
        "tasks": {
            name: {
                "kind": kind,
                "group": "satisfaction" if name == "like" else "engagement",
                "label": {
                    "event": name,
                    "aggregation": "any" if kind == "classification" else "sum",
                },
            }
            for name, kind in EVENTS.items()
        },
        "score": "click + 2 * like + log(1 + max(watch, 0))",
        "gate": {"kind": "dselect_k", "experts_per_task": 2, "entropy_weight": 1.0},
        "model": {
            "num_experts": 4,
            "expert_units": [16],
            "tower_units": [8],
            "embedding_dim": 4,
            "wide": True,
            "position": {"max_position": 10},
        },
        "training": {
            "batch_size": 128,
            "max_epochs": 4,
            "learning_rate": 0.02,
            "final_learning_rate": 0.5,
            "l2": 1e-6,
        },
    }
    return RankerConfig.model_validate(document | changes)


def make_examples(num_examples: int, seed: int) -> list[bytes]:
    """Examples whose labels depend on the age and the category; some values are missing."""
    rng = np.random.default_rng(seed)
    return [_make_example(i, rng) for i in range(num_examples)]


def _make_example(i: int, rng: np.random.Generator) -> bytes:
    age, category, price = rng.normal(), int(rng.integers(8)), float(rng.exponential())
    chance = 1 / (1 + np.exp(-(age + category / 4 - 1)))
    labels = {"click": rng.random() < chance, "like": rng.random() < chance / 2, "watch": price}
    floats = {"income": np.exp(age), "hour": i % 24, "price": price}
    words = {"segment": [f"s{i % 9}"], "category": [f"c{category}"]}
    if i % 7:
        floats["age"] = age
    if i % 3:
        words["tags"] = [f"t{tag}" for tag in rng.integers(20, size=2)]
    words["recent"] = [f"c{(i + n) % 9}" if n % 3 else "" for n in range(i % 6)]
    for name, label in labels.items():
        floats[f"label_{name}"] = float(label)
        floats[f"weight_{name}"] = float(name != "like" or i % 2)
    keys = {"request_id": [f"r{i // 5}"], "user_id": [f"u{i % 90}"], "item_id": [f"i{i}"]}
    features = {n: _float(v) for n, v in floats.items()}
    features |= {n: _words(v) for n, v in (words | keys).items()}
    features |= {"timestamp": _int(1_700_000_000_000 + i), "position": _int(i % 5 + 1)}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def _int(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _words(values: list[str]) -> tf.train.Feature:
    encoded = [value.encode() for value in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))


def write_examples(path: Path, examples: list[bytes]) -> Path:
    """Writes one gzip TFRecord file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for example in examples:
            writer.write(example)
    return path


@pytest.fixture(scope="session")
def transformed(tmp_path_factory) -> Path:
    """A folder with the transform graph and the transformed examples in `transform`."""
    folder = tmp_path_factory.mktemp("transformed")
    examples = make_examples(NUM_EXAMPLES, seed=0)
    raw = {
        "train": [write_examples(folder / "Split-train" / "a.gz", examples[:NUM_TRAIN])],
        "eval": [write_examples(folder / "Split-eval" / "a.gz", examples[NUM_TRAIN:])],
    }
    transform_examples(tiny_config().data_config(), raw, folder / "transform")
    return folder


@pytest.fixture(scope="session")
def trained(transformed) -> Trained:
    config, examples = tiny_config(), make_examples(NUM_EXAMPLES, seed=0)
    transform = tft.TFTransformOutput(str(transformed / "transform"))
    files = {split: [str(transformed / "transform" / f"{split}-*")] for split in SPLITS}
    trainer_config: TrainerConfig = config.trainer_config("candidate")
    ranker, record = train(
        trainer_config, transform, files["train"], files["eval"], transformed / "run"
    )
    return Trained(config, examples, transform, files, ranker, record)
