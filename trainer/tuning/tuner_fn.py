"""`tuner_fn`: TFX's entry point of both Tuners."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from tfx.components.tuner.component import TunerFnResult

from trainer.config import TrainerConfig
from trainer.tuning.describe import describe_trial
from trainer.tuning.job import Study
from trainer.tuning.options import Tuning
from trainer.tuning.result import Trial, find_best
from trainer.tuning.tuner import RankerTuner

_LOG = logging.getLogger("gaterank.tune")


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """Makes the search of the candidate or of the baseline; TFX calls this by its dotted path.

    Args:
        fn_args: TFX's arguments. `custom_config` has `trainer`, a `TrainerConfig` as JSON,
            `tuning`, the section as JSON, `role`, `code_version`, and `folder`, where trials are
            kept over runs: TFX's own folder of a component that was killed is lost.
    """
    custom = fn_args.custom_config
    inputs = {"transform": fn_args.transform_graph_path, "examples": fn_args.train_files}
    study = Study(
        role=custom["role"],
        config=TrainerConfig.model_validate_json(custom["trainer"]),
        tuning=Tuning.model_validate_json(custom["tuning"]),
        transform_dir=fn_args.transform_graph_path,
        train_files=tuple(fn_args.train_files),
        eval_files=tuple(fn_args.eval_files),
        folder=custom["folder"],
        # TFX gives changed examples another place.
        data=json.dumps(inputs),
        code_version=custom["code_version"],
    )
    digest = hashlib.sha256(json.dumps(study.identity(), sort_keys=True).encode()).hexdigest()
    folder = str(Path(study.folder) / f"{study.role}-{digest[:12]}")
    tuner = RankerTuner(study.model_copy(update={"folder": folder}), _log)
    return TunerFnResult(tuner=tuner, fit_kwargs={})


def _log(trials: list[Trial], ended: Trial) -> None:
    _LOG.info("%s", describe_trial(ended, find_best(trials)))
