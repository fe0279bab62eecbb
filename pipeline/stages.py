"""One stage of the pipeline alone, for people who iterate: ingest, train, score."""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

from pipeline.config import RankerConfig
from pipeline.local_runner import find_logs
from transforms.engine import make_pipeline
from transforms.errors import InputError
from transforms.examples import SPLITS
from transforms.ingest.counting.counts import IngestCounts
from transforms.ingest.pipeline import run_ingest


def ingest_logs(
    config: RankerConfig,
    logs: Path | None,
    out: Path,
    history: Path | None = None,
    every_split: bool = True,
) -> IngestCounts:
    """Turns logs into examples.

    Args:
        config: the whole YAML.
        logs: folder of the log files; None for the YAML's.
        out: gets Split-train, Split-eval and dead_letters.
        history: of an earlier ingestion, which history features start from.
        every_split: whether each split must have examples, as for training.

    Returns:
        The counts.

    Raises:
        DeadLetterRatioError: if too many rows were refused; the dead letters are there.
    """
    folder = find_logs(config, logs)
    start = str(history) if history else None
    return run_ingest(
        config.data_config(), str(folder), str(out), make_pipeline, start, every_split
    )


def train_stage(
    config: RankerConfig, examples: Path, out: Path, role: Literal["candidate", "baseline"]
) -> dict[str, Any]:
    """Transforms examples and trains one ranker.

    Args:
        config: the whole YAML.
        examples: folder that `ingest_logs` wrote.
        out: gets `transform`, `serving` (the SavedModel) and `training.json`.
        role: whose gate.

    Returns:
        The record of the training.
    """
    import tensorflow_transform as tft

    from trainer.export.save import save_ranker
    from trainer.run_fn import TRAINING_FILE, train
    from transforms.transform_examples import transform_examples

    files = {split: sorted((examples / f"Split-{split}").glob("*.gz")) for split in SPLITS}
    for split, paths in files.items():
        if not paths:
            raise InputError(f"{examples}: must hold the examples of `gaterank ingest` ({split})")
    out.mkdir(parents=True, exist_ok=True)
    transform_examples(config.data_config(), files, out / "transform")
    transform = tft.TFTransformOutput(str(out / "transform"))
    patterns = {split: [str(out / "transform" / f"{split}-*")] for split in SPLITS}
    trainer_config = config.trainer_config(role)
    ranker, record = train(trainer_config, transform, patterns["train"], patterns["eval"], out)
    (out / TRAINING_FILE).write_text(json.dumps(record, allow_nan=False))
    save_ranker(ranker, transform, out / "serving", pruned=True)
    return record


def score_logs(model_dir: Path, config: RankerConfig, logs: Path | None, out: Path) -> int:
    """Scores logs in bulk.

    History features start from what the model knows of its training's end, and roll on
    through the logs: each impression sees only what came before it.

    Args:
        model_dir: a SavedModel or its versions.
        config: the whole YAML.
        logs: folder of the log files; None for the YAML's.
        out: the Parquet file.

    Returns:
        The number of rows.
    """
    from serving.bulk_scoring import history_path, latest_version, score_examples

    known = history_path(latest_version(model_dir))
    with tempfile.TemporaryDirectory(prefix="gaterank-score-") as folder:
        examples = Path(folder) / "examples"
        history = known if known.is_file() else None
        ingest_logs(config, logs, examples, history, every_split=False)
        files = [p for s in SPLITS for p in sorted((examples / f"Split-{s}").glob("*.gz"))]
        return score_examples(model_dir, config.data_config(), files, out)
