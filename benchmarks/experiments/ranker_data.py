"""Logs made ready for many trainings of one preset: ingested, split in three, transformed."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from pipeline.config import RankerConfig
from pipeline.evaluation.metrics import task_metrics
from pipeline.evaluation.options import Metric
from trainer.dataset import read_batches
from trainer.model.network import Batch
from trainer.model.ranker import Ranker
from transforms.examples import POSITION, label_name, weight_name
from transforms.ingest.pipeline import run_ingest
from transforms.simulator.simulate import simulate
from transforms.transform_examples import transform_examples

_VALIDATION_EVERY = 10
_BATCH = 8192


class ReadyLogs(NamedTuple):
    """Transformed examples of three splits.

    Attributes:
        config: of the preset.
        transform: its analysed graph.
        files: `train`, `validation` (for early stopping and tuning), `test` -> patterns.
    """

    config: RankerConfig
    transform: tft.TFTransformOutput
    files: dict[str, list[str]]


def make_ready(config: RankerConfig, logs: Path, folder: Path) -> ReadyLogs:
    """Ingests and transforms, unless an earlier run did.

    The preset's evaluation split is the test split; every tenth example of the others
    becomes validation.

    Args:
        config: of the preset.
        logs: folder of the logs.
        folder: where the examples are kept.
    """
    done = folder / "transformed"
    if not (done / "done").exists():
        run_ingest(config.data_config(), str(logs), str(folder / "ingested"))
        raw = _split(folder / "ingested", folder / "raw")
        transform_examples(config.data_config(), raw, done)
        (done / "done").touch()
    splits = {split: [str(done / f"{split}-*.gz")] for split in ("train", "validation", "test")}
    return ReadyLogs(config, tft.TFTransformOutput(str(done)), splits)


def simulate_once(folder: Path, impressions: int) -> Path:
    """The logs of the simulator, written unless an earlier run did."""
    if not (folder / "truth.json").exists():
        simulate(folder, impressions, 1, "parquet")
    return folder


def _split(ingested: Path, out: Path) -> dict[str, list[Path]]:
    out.mkdir(parents=True, exist_ok=True)
    train, validation = out / "train.gz", out / "validation.gz"
    files = sorted((ingested / "Split-train").glob("*.gz"))
    with (
        tf.io.TFRecordWriter(str(train), "GZIP") as kept,
        tf.io.TFRecordWriter(str(validation), "GZIP") as held,
    ):
        for i, record in enumerate(tf.data.TFRecordDataset(files_of(files), "GZIP")):
            (kept if i % _VALIDATION_EVERY else held).write(record.numpy())
    test = sorted((ingested / "Split-eval").glob("*.gz"))
    return {"train": [train], "validation": [validation], "test": test}


def files_of(paths: Sequence[Path]) -> list[str]:
    """Paths as TensorFlow wants them."""
    return [str(path) for path in paths]


def measure(
    ranker: Ranker, logs: ReadyLogs, split: str, shown_first: bool = False
) -> dict[str, float]:
    """Each task's AUC or RMSE on a split; or as if each item had been shown first."""

    def set_position(batch: Batch) -> Batch:
        return {**batch, POSITION: tf.ones_like(batch[POSITION])} if shown_first else batch

    predict = tf.function(lambda batch: ranker(set_position(batch)).logits)
    columns: dict[str, list[np.ndarray]] = {}
    logits = []
    for batch in read_batches(logs.files[split], logs.transform, _BATCH):
        logits.append(predict(batch).numpy())  # [T, B]
        for name in ranker.tasks:
            for column in (label_name(name), weight_name(name)):
                columns.setdefault(column, []).append(batch[column].numpy())
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    found = {}
    for name, values in zip(ranker.tasks, np.concatenate(logits, axis=1), strict=True):
        kind = ranker.config.tasks[name].kind
        metric: Metric = "auc" if kind == "classification" else "rmse"
        metrics = task_metrics(
            kind,
            np.arange(values.size),
            table[label_name(name)],
            table[weight_name(name)],
            values.astype(np.float64),
        )
        value = metrics[metric]
        assert value is not None, f"{name} has no {metric} on the {split} split"
        found[name] = value
    return found
