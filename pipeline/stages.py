"""One stage of the pipeline alone, for people who iterate: ingest, train, score."""

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pipeline.code_version import code_version
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
from transforms.ingest.dead_letters.files import DEAD_LETTERS
from transforms.ingest.pipeline import run_ingest
from transforms.ingest.writing.tfrecord import find_shards
from transforms.rolling.roll import Rolling, make_recipe, roll
from transforms.rolling.store import SpanStore, StoredSpan
from transforms.rolling.window import stored_window, window_counts, window_files


def ingest_logs(
    config: RankerConfig,
    logs: Path | str | None,
    out: Path | str,
    history: Path | str | None = None,
    every_split: bool = True,
) -> IngestCounts:
    """Turns logs into examples.

    Args:
        config: the whole YAML.
        logs: folder of the log files, or its URI; None for the YAML's.
        out: gets Split-train, Split-eval and dead_letters; a path or a URI, under which all
            machines of the YAML's engine must see it.
        history: of an earlier ingestion, which history features start from.
        every_split: whether each split must have examples, as for training.

    Returns:
        The counts.

    Raises:
        DeadLetterRatioError: if too many rows were refused; the dead letters are there.
    """
    folder = find_logs(config, logs)
    start = str(history) if history else None
    engine = partial(make_pipeline, config.beam)
    return run_ingest(config.data_config(), folder, str(out), engine, start, every_split)


def ingest_spans(
    config: RankerConfig, logs: Path | str | None, store: Path | str, span: int | None = None
) -> tuple[list[StoredSpan], IngestCounts]:
    """Brings a store of spans up to date.

    Args:
        config: the whole YAML, with `logs.spans`.
        logs: folder of the log files, or its URI; None for the YAML's.
        store: gets a folder a span and version; a path or a URI, as in `ingest_logs`.
        span: the last one of the window; None for the newest that is complete.

    Returns:
        The window, and the counts of all its spans.

    Raises:
        DeadLetterRatioError: if too many rows of a span were refused; the dead letters are there.
    """
    data, folder = config.data_config(), find_logs(config, logs)
    recipe = make_recipe(data, code_version("transforms"))
    engine = partial(make_pipeline, config.beam)
    window = roll(Rolling(data, folder, SpanStore(str(store)), recipe, engine), span)
    return window, window_counts(data, window)


def train_stage(
    config: RankerConfig,
    examples: Path,
    out: Path,
    role: Literal["candidate", "baseline"],
    span: int | None = None,
    strategy: StrategySection | None = None,
) -> dict[str, Any]:
    """Transforms examples and trains one ranker.

    Args:
        config: the whole YAML.
        examples: folder that `ingest_logs` or, with `logs.spans`, `ingest_spans` wrote.
        out: gets `transform`, `serving` (the SavedModel) and `training.json`.
        role: whose gate.
        span: with `logs.spans`: the last one to train on; None for the newest there is.
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

    files = _find_examples(config, examples, span)
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


def _find_examples(config: RankerConfig, examples: Path, span: int | None) -> dict[str, list[Path]]:
    """Split -> its files; refuses examples that were made by another YAML."""
    if config.logs.spans is not None:
        data = config.data_config()
        window = stored_window(data, SpanStore(str(examples)), span)
        files = window_files(data, window)
        folders = [one.dead_letters for one in window]
    else:
        files = {split: find_shards(examples / f"Split-{split}") for split in SPLITS}
        folders = [str(examples / DEAD_LETTERS)]
    for split, paths in files.items():
        if not paths:
            raise InputError(f"{examples}: must hold the examples of `gaterank ingest` ({split})")
    for folder in folders:
        counts = read_counts(folder)
        missing = {*config.features, *config.tasks} - {*counts.missing, *counts.tasks}
        if missing:
            raise InputError(
                f"{Path(folder).parent}: must hold examples made by this YAML; run "
                f"`gaterank ingest` again. Missing: {sorted(missing)}"
            )
    return files


def score_logs(model_dir: Path, config: RankerConfig, logs: Path | str | None, out: Path) -> int:
    """Scores logs in bulk.

    History features start from what the model knows of its training's end, and roll on
    through the logs: each impression sees only what came before it.

    Args:
        model_dir: a SavedModel or its versions.
        config: the whole YAML.
        logs: folder of the log files, or its URI; None for the YAML's.
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
    place = out.absolute().parent
    make_folder(place)
    known = history_path(scorer.model_dir)
    # Beside `out`, which an engine's machines see; their /tmp is their own.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=place) as folder:
        examples = Path(folder) / "examples"
        history = known if known.is_file() else None
        ingest_logs(config, logs, examples, history, every_split=False)
        files = [path for split in SPLITS for path in find_shards(examples / f"Split-{split}")]
        return score_examples(scorer, config.data_config(), files, out)
