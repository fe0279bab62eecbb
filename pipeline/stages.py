"""One stage of the pipeline alone, for people who iterate: ingest, train, score."""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

from pipeline.config import RankerConfig
from pipeline.full_disk import full_disk_is_said
from pipeline.local_runner import find_logs
from trainer.config import TrainerConfig
from trainer.job import TrainJob
from trainer.strategies.options import StrategySection
from transforms.engine import make_pipeline
from transforms.errors import InputError
from transforms.examples import SPLITS
from transforms.folders import make_folder, taking_the_place_of
from transforms.ingest.counting.counts import IngestCounts, read_counts
from transforms.ingest.pipeline import DEAD_LETTERS, run_ingest
from transforms.ingest.writing.tfrecord import find_shards


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
    config: RankerConfig,
    examples: Path,
    out: Path,
    role: Literal["candidate", "baseline"],
    strategy: StrategySection | None = None,
) -> dict[str, Any]:
    """Transforms examples and trains one ranker.

    Args:
        config: the whole YAML.
        examples: folder that `ingest_logs` wrote.
        out: gets `transform`, `serving` (the SavedModel) and `training.json`.
        role: whose gate.
        strategy: in place of the YAML's `training.strategy`.

    Returns:
        The record of the training.

    Raises:
        InputError: if there are no examples, or `out` holds other things.
        DiskFullError: if there is no room for `out`.
        ClusterError: if the strategy has several processes, and one fails.
    """
    from trainer.run_fn import TRAINING_FILE, run_job
    from transforms.transform_examples import transform_examples

    files = _find_examples(config, examples)
    with full_disk_is_said(out), taking_the_place_of(out, TRAINING_FILE) as folder:
        transform_examples(config.data_config(), files, folder / "transform")
        train_files, eval_files = ((str(folder / "transform" / f"{s}-*"),) for s in SPLITS)
        run_job(
            TrainJob(
                config=_train_by(config.trainer_config(role), strategy),
                transform_dir=str(folder / "transform"),
                train_files=train_files,
                eval_files=eval_files,
                record_dir=str(folder),
                serving_dir=str(folder / "serving"),
                log_dir=str(log_folder(out)),
            )
        )
        record: dict[str, Any] = json.loads((folder / TRAINING_FILE).read_text())
    return record


def _train_by(config: TrainerConfig, strategy: StrategySection | None) -> TrainerConfig:
    if strategy is None:
        return config
    training = config.training.model_copy(update={"strategy": strategy})
    return config.model_copy(update={"training": training})


def log_folder(out: Path) -> Path:
    """Where the processes of a training to `out` log: beside it, as a failed one leaves none."""
    return out.absolute().with_name(f"{out.name}-logs")


def _find_examples(config: RankerConfig, examples: Path) -> dict[str, list[Path]]:
    """Split -> its files; refuses examples that were made by another YAML."""
    files = {split: find_shards(examples / f"Split-{split}") for split in SPLITS}
    for split, paths in files.items():
        if not paths:
            raise InputError(f"{examples}: must hold the examples of `gaterank ingest` ({split})")
    counts = read_counts(str(examples / DEAD_LETTERS))
    missing = {*config.features, *config.tasks} - {*counts.missing, *counts.tasks}
    if missing:
        raise InputError(
            f"{examples}: must hold examples made by this YAML; run `gaterank ingest` again. "
            f"Missing: {sorted(missing)}"
        )
    return files


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

    Raises:
        InputError: if there is no model, it is not of this YAML, or `out` cannot be written.
        DiskFullError: if there is no room.
    """
    from serving.bulk_scoring import ExampleScorer, history_path, score_examples

    scorer = ExampleScorer(model_dir)
    scorer.check_fits(config.data_config())
    make_folder(out.absolute().parent)
    known = history_path(scorer.model_dir)
    with tempfile.TemporaryDirectory(prefix="gaterank-score-") as folder:
        examples = Path(folder) / "examples"
        history = known if known.is_file() else None
        ingest_logs(config, logs, examples, history, every_split=False)
        files = [path for split in SPLITS for path in find_shards(examples / f"Split-{split}")]
        return score_examples(scorer, config.data_config(), files, out)
