"""The training of one ranker alone, for people who iterate."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from pipeline.code_version import code_version
from pipeline.config import RankerConfig
from pipeline.full_disk import full_disk_is_said
from trainer.config import Role
from trainer.job import TrainJob
from trainer.strategies.options import StrategySection
from transforms.errors import InputError
from transforms.examples import SPLITS
from transforms.folders import taking_the_place_of
from transforms.ingest.counting.counts import read_counts
from transforms.ingest.dead_letters.files import DEAD_LETTERS
from transforms.ingest.writing.tfrecord import find_shards
from transforms.rolling.store import SpanStore
from transforms.rolling.window import stored_window, window_files

_SCHEMA = "transformed_metadata/schema.pbtxt"


def train_stage(
    config: RankerConfig,
    examples: Path,
    out: Path,
    role: Role,
    span: int | None = None,
    strategy: StrategySection | None = None,
    base: Path | None = None,
) -> dict[str, Any]:
    """Transforms examples and trains one ranker.

    Args:
        config: the whole YAML.
        examples: folder that `ingest_logs` or, with `logs.spans`, `ingest_spans` wrote.
        out: gets `transform`, `serving` (the SavedModel), `training.json`, and what a later
            training can begin from. What an interrupted one goes on from is beside it until then.
        role: whose gate.
        span: with `logs.spans`: the last one to train on; None for the newest there is.
        strategy: in place of the YAML's `training.strategy`.
        base: folder of a trained model whose weights it begins from; None for fresh ones.

    Returns:
        The record of the training.

    Raises:
        InputError: if there are no examples, `out` holds other things, or `base` is no base.
        DiskFullError: if there is no room for `out`.
        ClusterError: if the strategy has several processes, and one fails.
        PreemptedError: if SIGTERM came; the same call goes on from the checkpoint.
        DivergedError: if the loss is not finite.
    """
    from trainer.run_fn import TRAINING_FILE, run_job
    from trainer.warm_start.bundle import find_base

    files, unfinished = find_examples(config, examples, span), unfinished_folder(out)
    base_file = None if base is None else str(find_base(base))
    trainer_config = config.trainer_config(role)
    if strategy is not None:
        trainer_config = trainer_config.with_training(strategy=strategy)
    with full_disk_is_said(out), taking_the_place_of(out, TRAINING_FILE) as folder:
        transform = _transform_once(config, files, unfinished)
        train_files, eval_files = ((str(transform / f"{split}-*"),) for split in SPLITS)
        run_job(
            TrainJob(
                config=trainer_config,
                transform_dir=str(transform),
                train_files=train_files,
                eval_files=eval_files,
                record_dir=str(folder),
                serving_dir=str(folder / "serving"),
                log_dir=str(log_folder(out)),
                checkpoint_dir=str(unfinished),
                base=base_file,
                base_dir=str(folder),
                code_version=code_version("transforms", "trainer"),
            )
        )
        # Links, not the folder itself: killed here, the next run finds it where it was.
        shutil.copytree(transform, folder / "transform", copy_function=_link_or_copy)
        record: dict[str, Any] = json.loads((folder / TRAINING_FILE).read_text())
    shutil.rmtree(unfinished, ignore_errors=True)
    return record


def _transform_once(config: RankerConfig, files: dict[str, list[Path]], unfinished: Path) -> Path:
    """A folder with the transform graph and the transformed examples, as an earlier run left it.

    Beam writes the same examples as other bytes each time; checkpoints are of these.
    """
    from trainer.checkpoints.fingerprint import digest_files
    from transforms.transform_examples import transform_examples

    data, splits = config.data_config(), [[str(path) for path in files[s]] for s in SPLITS]
    digest = digest_files([data.model_dump_json(), code_version("transforms")], splits)
    folder = unfinished / f"transform-{digest}"
    if not folder.is_dir():
        for other in unfinished.glob("transform-*"):
            shutil.rmtree(other, ignore_errors=True)
        with taking_the_place_of(folder, _SCHEMA) as partial:
            transform_examples(data, files, partial)
    return folder


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def log_folder(out: Path) -> Path:
    """Where the processes of a training to `out` log: beside it, as a failed one leaves none."""
    return out.absolute().with_name(f"{out.name}-logs")


def unfinished_folder(out: Path) -> Path:
    """Where a training to `out` keeps what it goes on from if it is interrupted."""
    return out.absolute().with_name(f"{out.name}-unfinished")


def find_examples(config: RankerConfig, examples: Path, span: int | None) -> dict[str, list[Path]]:
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
