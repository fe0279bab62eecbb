"""`run_fn`: TFX's entry point of both Trainers, and the training behind it."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import tensorflow_transform as tft

from trainer.checkpoints.fingerprint import take_fingerprint
from trainer.checkpoints.folder import CheckpointFolder
from trainer.config import TrainerConfig
from trainer.export.save import save_ranker
from trainer.job import TrainJob
from trainer.strategies import member
from trainer.strategies.cluster import Cluster, read_cluster
from trainer.strategies.distribution import distributed, serve
from trainer.strategies.local_cluster import run_local_cluster
from trainer.strategies.options import ClusterSection, ParameterServerOptions
from trainer.train import train
from trainer.tuning.paths import with_hyperparameters
from trainer.warm_start.bundle import NO_BASE_FILE, find_base
from trainer.warm_start.start import save_base
from transforms.errors import ConfigError, InputError
from transforms.folders import make_folder

TRAINING_FILE = "training.json"
_JOB_FILE = "job.json"
_LOG = logging.getLogger("gaterank.train")


def run_fn(fn_args: Any) -> None:
    """Trains one ranker and exports it; TFX calls this by its dotted path.

    Args:
        fn_args: TFX's arguments. `custom_config["trainer"]` is a `TrainerConfig` as JSON,
            before which go the values of `hyperparameters`, from a Tuner;
            `["checkpoints"]` the folder of checkpoints, `["code_version"]` that of the code;
            the pruned model goes to `serving_model_dir`, the full one and what a later training
            can begin from to `eval_model_dir`, the record of the training to `model_run_dir`.
            `base_model` is what this one begins from.
    """
    config = TrainerConfig.model_validate_json(fn_args.custom_config["trainer"])
    run_job(
        TrainJob(
            config=with_hyperparameters(config, fn_args.hyperparameters),
            transform_dir=fn_args.transform_output,
            train_files=tuple(fn_args.train_files),
            eval_files=tuple(fn_args.eval_files),
            record_dir=fn_args.model_run_dir,
            serving_dir=fn_args.serving_model_dir,
            full_dir=fn_args.eval_model_dir,
            log_dir=str(Path(fn_args.model_run_dir) / "logs"),
            checkpoint_dir=fn_args.custom_config.get("checkpoints"),
            base=_find_base(fn_args.base_model),
            base_dir=fn_args.eval_model_dir,
            code_version=fn_args.custom_config.get("code_version", ""),
        )
    )


def _find_base(model: str | None) -> str | None:
    if model is None:
        return None
    if (Path(model).parent / NO_BASE_FILE).is_file():
        return None
    try:
        # TFX names the folder of the served model, which has some of the experts only.
        return str(find_base(Path(model).parent))
    except InputError as error:
        # A model that was trained before models had a base must not stop every later run.
        _LOG.warning("%s", error)
        return None


def run_job(job: TrainJob) -> None:
    """Trains one ranker, alone or as one process of a cluster; only the chief writes.

    Args:
        job: what is trained. If its strategy needs several processes and TF_CONFIG names none,
            they are started here.

    Raises:
        GaterankError: if the strategy cannot be had here, a process of it has ended, SIGTERM
            came, or the loss is not finite.
    """
    options, cluster = job.config.training.strategy, None
    if isinstance(options, ClusterSection):
        cluster = read_cluster(options, os.environ)
        if cluster is None:
            _start(job, options)
            return
        if isinstance(options, ParameterServerOptions) and not cluster.is_chief:
            serve(cluster)
    _train(job, cluster)


def _start(job: TrainJob, options: ClusterSection) -> None:
    if options.workers is None:
        raise ConfigError(
            f"training.strategy: {options.kind} needs `workers`, for processes of this machine, "
            "or TF_CONFIG in the environment of each process. Received: neither"
        )
    log_dir = Path(job.log_dir)
    make_folder(log_dir)
    (log_dir / _JOB_FILE).write_text(job.model_dump_json())
    command = [sys.executable, "-m", member.__name__, str(log_dir / _JOB_FILE), member.TIED]
    run_local_cluster(command, options, log_dir)


def _train(job: TrainJob, cluster: Cluster | None) -> None:
    with distributed(job.config.training.strategy, cluster) as place:
        transform = tft.TFTransformOutput(job.transform_dir)
        record_dir = Path(job.record_dir)
        files, checkpoints = (job.train_files, job.eval_files), _find_checkpoints(job)
        base = None if job.base is None else Path(job.base)
        ranker, record = train(job.config, transform, *files, record_dir, place, checkpoints, base)
        if not place.is_chief:
            return
        record_dir.mkdir(parents=True, exist_ok=True)
        (record_dir / TRAINING_FILE).write_text(json.dumps(record, allow_nan=False))
        save_ranker(ranker, transform, Path(job.serving_dir), pruned=True)
        if job.full_dir is not None:
            save_ranker(ranker, transform, Path(job.full_dir), pruned=False)
        if job.base_dir is not None:
            save_base(ranker, transform, Path(job.base_dir))
        if checkpoints is not None:
            checkpoints.finish()


def _find_checkpoints(job: TrainJob) -> CheckpointFolder | None:
    options = job.config.training.checkpoint
    if options is None or job.checkpoint_dir is None:
        return None
    return CheckpointFolder(Path(job.checkpoint_dir), take_fingerprint(job), options.keep)
