"""The demo's ranker on simulated logs, with gates that use some of its experts, to be served."""

from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from benchmarks.experiments.ranker_data import ReadyLogs, make_ready, simulate_once
from benchmarks.harness.demo_ranker import DEMO, use_experts
from pipeline.config import load_config
from trainer.dataset import Batches
from trainer.export.save import save_ranker
from trainer.model.ranker import Ranker
from trainer.train import make_ready as make_ready_ranker

_WORK = Path("build", "benchmarks", "serving")
_IMPRESSIONS = 5_000


class ServedModels(NamedTuple):
    """One ranker, saved in two ways.

    Attributes:
        ranker: itself.
        full: folder of versions of the SavedModel that computes all experts.
        pruned: the same, with those in use only.
        examples: serialized, of the logs.
    """

    ranker: Ranker
    full: Path
    pruned: Path
    examples: list[bytes]


def make_models(used: int = 4, folder: Path = _WORK) -> ServedModels:
    """Builds and saves the ranker; what it weighs is noise, what it computes is not.

    Args:
        used: experts that the tasks use together.
        folder: for logs, examples and models; logs and examples are kept there.
    """
    config = load_config(DEMO)
    logs = make_ready(config, simulate_once(folder / "logs", _IMPRESSIONS), folder)
    ranker = _make_ranker(logs)
    use_experts(ranker, used)
    places = {name: folder / f"{name}-{used}" for name in ("full", "pruned")}
    for name, place in places.items():
        save_ranker(ranker, logs.transform, place / "1", pruned=name == "pruned")
    raw = tf.data.TFRecordDataset(str(folder / "raw" / "train.gz"), "GZIP")
    return ServedModels(ranker, examples=list(raw.as_numpy_iterator()), **places)


def _make_ranker(logs: ReadyLogs) -> Ranker:
    config = logs.config.trainer_config("candidate")
    size = config.training.batch_size
    batches = Batches(logs.files["train"], logs.transform, size, config.training.seed)
    ranker = make_ready_ranker(config, logs.transform, batches, batches.mean_labels(config.tasks))
    # A bias that is still 0 would be left out of what is served.
    ranker.train_step(next(iter(batches.epoch())))
    return ranker
