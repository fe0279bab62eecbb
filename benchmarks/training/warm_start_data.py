"""Days of simulated logs on which users, items and tastes change, ready for one training a day."""

from pathlib import Path
from typing import NamedTuple

import tensorflow_transform as tft

from benchmarks.experiments.ranker_data import ReadyLogs
from benchmarks.harness.demo_ranker import DEMO
from pipeline.config import RankerConfig, load_config
from pipeline.stages import ingest_spans
from transforms.features import CategoricalFeature
from transforms.ingest.writing.tfrecord import find_shards
from transforms.logs import Spans
from transforms.rolling.store import SpanStore
from transforms.simulator.simulate import simulate
from transforms.transform_examples import transform_examples

# What decides how an item or a user is liked: the model does not see it, so that only what the
# days teach it of their ids can tell.
_HIDDEN = ("age", "curiosity", "quality", "account_days", "creator_followers")
_SEED = 1


class World(NamedTuple):
    """What is simulated.

    Attributes:
        impressions: a day.
        days: of which the last is only predicted.
        drift: share of factor B that fades a day.
        churn: share of users and items that are new each day.
    """

    impressions: int
    days: int
    drift: float
    churn: float


def make_config(world: World, max_epochs: int) -> RankerConfig:
    """The demo in small, with ids as features in place of the columns that they stand for."""
    config = load_config(DEMO)
    features = {name: f for name, f in config.features.items() if name not in _HIDDEN}
    for name, owner in (("user_id", "user"), ("item_id", "item")):
        section = {"of": owner, "kind": "categorical", "min_count": 2}
        features[name] = CategoricalFeature.model_validate(section)
    model = {"expert_units": (64,), "tower_units": (32,)}
    training = {"learning_rate": 0.004, "max_epochs": max_epochs, "checkpoint": None}
    # Selectors decide in the first four epochs of a day, with no budget to wait for.
    beta_steps = max(1, 4 * world.impressions // config.training.batch_size)
    gate = {"beta_steps": beta_steps, "serving_budget": None}
    return config.model_copy(
        update={
            "features": features,
            "logs": config.logs.model_copy(update={"spans": Spans(window=1)}),
            "model": config.model.model_copy(update=model),
            "gate": config.gate.model_copy(update=gate),
            "training": config.training.model_copy(update=training),
        }
    )


def ingest_world(config: RankerConfig, world: World, folder: Path) -> list[int]:
    """Simulates and ingests day by day, unless that is there: the days."""
    if not (folder / "logs" / "truth.json").exists():
        total = world.impressions * world.days
        simulate(
            folder / "logs",
            total,
            _SEED,
            days=world.days,
            drift=world.drift,
            churn=world.churn,
        )
    whole = config.logs.model_copy(update={"spans": Spans(window=world.days)})
    config = config.model_copy(update={"logs": whole})
    ingest_spans(config, folder / "logs", folder / "spans")
    return sorted(SpanStore(str(folder / "spans")).spans())


def ready_day(config: RankerConfig, folder: Path, days: list[int]) -> ReadyLogs:
    """Transformed examples of some days to train on, and of the day after them to predict.

    Args:
        config: of the ranker.
        folder: that `ingest_world` has filled.
        days: numbers of the days, rising.
    """
    out = folder / f"days-{days[0]}-{days[-1]}"
    if not (out / "done").exists():
        spans = SpanStore(str(folder / "spans")).spans()

        def shards(day: int, split: str) -> list[Path]:
            return find_shards(Path(spans[day].folder, f"Split-{split}"))

        raw = {
            "train": [path for day in days for path in shards(day, "train")],
            "validation": [path for day in days for path in shards(day, "eval")],
            "test": [path for s in ("train", "eval") for path in shards(days[-1] + 1, s)],
        }
        transform_examples(config.data_config(), raw, out)
        (out / "done").touch()
    splits = {split: [str(out / f"{split}-*.gz")] for split in ("train", "validation", "test")}
    return ReadyLogs(config, tft.TFTransformOutput(str(out)), splits)
