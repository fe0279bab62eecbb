"""Tuning as a stage: examples are transformed once, then both are searched."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.code_version import code_version
from pipeline.config import RankerConfig
from pipeline.full_disk import full_disk_is_said
from pipeline.train_stage import find_examples
from pipeline.tuning.best import write_best
from pipeline.tuning.tables import make_csv, make_document
from trainer.config import ROLES, Role
from trainer.tuning.job import Study
from trainer.tuning.result import Trial, find_best, write_json
from transforms.errors import ConfigError, InputError
from transforms.examples import SPLITS
from transforms.folders import locked, make_folder, taking_the_place_of
from transforms.listing import fingerprint_files
from transforms.storage import write_whole

BEST_FILE = "best.yaml"
_PICTURE = "trials.png"
_DATA_FILE = "examples.json"
Watch = Callable[[Role, list[Trial], Trial | None], None]


def tune_stage(
    config: RankerConfig,
    document: Mapping[str, Any],
    examples: Path,
    out: Path,
    span: int | None = None,
    watch: Watch | None = None,
) -> dict[Role, list[Trial]]:
    """Searches for the candidate and for the baseline, and writes what was found.

    Args:
        config: the whole YAML, with `tuning`.
        document: what the YAML held, which gets the best values.
        examples: folder that `ingest_logs` or, with `logs.spans`, `ingest_spans` wrote.
        out: gets `best.yaml`, `trials.json`, `trials.csv`, `trials.png` and the trials; those of
            an interrupted search are not run again.
        span: with `logs.spans`: the last one to train on; None for the newest there is.
        watch: is told each role's trials as its search begins, and each that has ended.

    Returns:
        Role -> its trials.

    Raises:
        ConfigError: if the YAML has no `tuning` section.
        InputError: if there are no examples, or `out` holds other things.
        ClusterError: if the processes of several trials in a row fail.
        GaterankError: if no trial of a role counts.
    """
    if config.tuning is None:
        raise ConfigError("tuning: must be in the YAML; docs/tuning.md says what to search")
    files = find_examples(config, examples, span)
    _check_is_ours(out)
    with full_disk_is_said(out), locked(out, "folder of trials"):
        data = _transform_once(config, files, out / "transform")
        trials = {role: _search(config, role, out, data, watch) for role in ROLES}
        _write(config, document, out, trials)
    return trials


def _check_is_ours(out: Path) -> None:
    known = {"transform", ".lock", *ROLES}
    if out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in known):
        raise InputError(f"{out}: must be new, empty, or of an earlier tuning")


def _transform_once(config: RankerConfig, files: dict[str, list[Path]], folder: Path) -> str:
    """Transforms the examples, unless they are there; returns what tells them from others."""
    paths = {f"{split}/{i}": str(p) for split in SPLITS for i, p in enumerate(files[split])}
    data = {"files": fingerprint_files(paths), "data": config.data_config().model_dump_json()}
    text = json.dumps(data, sort_keys=True)
    marker = folder / _DATA_FILE
    if not marker.is_file():
        from transforms.transform_examples import transform_examples

        with taking_the_place_of(folder, _DATA_FILE) as partial:
            transform_examples(config.data_config(), files, partial)
            (partial / _DATA_FILE).write_text(text)
    elif marker.read_text() != text:
        raise InputError(
            f"{folder.parent}: holds trials that go on only with the same examples, features and "
            "tasks; take another folder"
        )
    return hashlib.sha256(text.encode()).hexdigest()


def _search(
    config: RankerConfig, role: Role, out: Path, data: str, watch: Watch | None
) -> list[Trial]:
    from trainer.tuning.tuner import RankerTuner

    assert config.tuning is not None
    folder = (out / "transform").absolute()
    train_files, eval_files = ((str(folder / f"{split}-*"),) for split in SPLITS)
    study = Study(
        role=role,
        config=config.trainer_config(role),
        tuning=config.tuning,
        transform_dir=str(folder),
        train_files=train_files,
        eval_files=eval_files,
        folder=str((out / role).absolute()),
        data=data,
        code_version=code_version("transforms", "trainer"),
    )
    tuner = RankerTuner(study, watch and (lambda trials, ended: watch(role, trials, ended)))
    if watch is not None:
        watch(role, tuner.trials(), None)
    tuner.search()
    return tuner.trials()


def _write(
    config: RankerConfig,
    document: Mapping[str, Any],
    out: Path,
    trials: dict[Role, list[Trial]],
) -> None:
    from pipeline.tuning.picture import draw

    make_folder(out)
    best = {role: trial for role, its in trials.items() if (trial := find_best(its)) is not None}
    write_json(out / "trials.json", make_document(config, trials))
    texts = {"trials.csv": make_csv(trials), BEST_FILE: write_best(document, config, best)}
    for name, text in texts.items():
        with write_whole(str(out / name)) as stream:
            stream.write(text.encode())
    assert config.tuning is not None
    draw(trials, config.tuning, out / _PICTURE)
