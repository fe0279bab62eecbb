"""What the chief does for all, and what the others wait for."""

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pipeline.code_version import code_version
from pipeline.config import RankerConfig
from pipeline.full_disk import full_disk_is_said
from pipeline.train_stage import find_examples, log_folder, unfinished_folder
from trainer.checkpoints.fingerprint import digest_files
from trainer.config import Role
from trainer.job import TrainJob
from trainer.run_fn import TRAINING_FILE, run_job
from trainer.strategies.cluster import VARIABLE, Cluster, read_cluster
from trainer.strategies.options import ClusterSection
from trainer.warm_start.bundle import find_base
from transforms.errors import ClusterError, ConfigError
from transforms.examples import SPLITS
from transforms.folders import taking_the_place_of
from transforms.storage import write_whole
from transforms.transform_examples import transform_examples

_JOB_FILE = "job.json"
_TRANSFORM = "transform"
_SCHEMA = "transformed_metadata/schema.pbtxt"


@dataclass(frozen=True)
class Asked:
    """What every process of the cluster was asked for, alike.

    Attributes:
        config: the whole YAML.
        examples: folder that `gaterank ingest` wrote.
        out: gets what `gaterank train` leaves there.
        role: whose gate.
        span: with `logs.spans`: the last one to train on; None for the newest there is.
        base: folder of an earlier training to begin from; None for fresh weights.
    """

    config: RankerConfig
    examples: Path
    out: Path
    role: Role = "candidate"
    span: int | None = None
    base: Path | None = None


def find_cluster(asked: Asked, environ: Mapping[str, str]) -> Cluster:
    """The processes that train together.

    Args:
        asked: says by which strategy.
        environ: the environment of this process.

    Raises:
        ConfigError: if there is no TF_CONFIG, or not one for this strategy.
    """
    options = asked.config.trainer_config(asked.role).training.strategy
    if not isinstance(options, ClusterSection):
        raise ConfigError(
            "training.strategy: must be multi_worker or parameter_server for a cluster; one "
            f"process is trained by `gaterank train`. Received: {options.kind}"
        )
    cluster = read_cluster(options, environ)
    if cluster is None:
        raise ConfigError(
            f"{VARIABLE}: must name the processes of the cluster; on one machine `gaterank train` "
            "starts them. Received: none"
        )
    return cluster


def train_part(asked: Asked, cluster: Cluster, wait_seconds: float) -> None:
    """Trains, with all processes of the cluster; the chief leaves the result in `asked.out`.

    Args:
        asked: the same for all.
        cluster: and this process's place in it.
        wait_seconds: how long the others wait for the chief to say what is trained.

    Raises:
        InputError: if there are no examples, or `out` holds other things.
        ClusterError: if another process ends, or the chief does not come.
        PreemptedError: if SIGTERM came; the same command goes on from the checkpoint.
    """
    files = find_examples(asked.config, asked.examples, asked.span)
    shared = _shared_folder(asked, files)
    if not cluster.is_chief:
        run_job(_wait_for_job(shared / _JOB_FILE, wait_seconds))
        return
    with full_disk_is_said(asked.out), taking_the_place_of(asked.out, TRAINING_FILE) as folder:
        # TensorFlow's first deed in a process that steps with others must be to join them.
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            job = process.submit(_prepare, asked, files, shared, folder).result()
        run_job(job)
        shutil.copytree(job.transform_dir, folder / _TRANSFORM)
    shutil.rmtree(unfinished_folder(asked.out), ignore_errors=True)


def _shared_folder(asked: Asked, files: dict[str, list[Path]]) -> Path:
    """Named by all that the training depends on, so that nobody takes an older one's job."""
    texts = [asked.config.model_dump_json(), asked.role, code_version("transforms", "trainer")]
    groups = [[str(path) for path in files[split]] for split in SPLITS]
    base = [] if asked.base is None else [str(find_base(asked.base))]
    digest = digest_files(texts, [*groups, base])
    return unfinished_folder(asked.out) / f"cluster-{digest}"


def _prepare(asked: Asked, files: dict[str, list[Path]], shared: Path, folder: Path) -> TrainJob:
    """Transforms the examples, unless an earlier try has, and writes the job for the others."""
    for other in shared.parent.glob("cluster-*"):
        if other != shared:
            shutil.rmtree(other, ignore_errors=True)
    transform = shared / _TRANSFORM
    if not transform.is_dir():
        with taking_the_place_of(transform, _SCHEMA) as partial:
            transform_examples(asked.config.data_config(), files, partial)
    job = TrainJob(
        config=asked.config.trainer_config(asked.role),
        transform_dir=str(transform),
        train_files=(str(transform / f"{SPLITS[0]}-*"),),
        eval_files=(str(transform / f"{SPLITS[1]}-*"),),
        record_dir=str(folder),
        serving_dir=str(folder / "serving"),
        log_dir=str(log_folder(asked.out)),
        checkpoint_dir=str(shared / "checkpoints"),
        base=None if asked.base is None else str(find_base(asked.base)),
        base_dir=str(folder),
        code_version=code_version("transforms", "trainer"),
    )
    with write_whole(str(shared / _JOB_FILE)) as stream:
        stream.write(job.model_dump_json().encode())
    return job


def _wait_for_job(path: Path, seconds: float) -> TrainJob:
    deadline = time.monotonic() + seconds
    while not path.is_file():
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{path}: the chief must write it within {seconds:g} s. Is the folder the same "
                "for all processes?"
            )
        time.sleep(1)
    return TrainJob.model_validate_json(path.read_text())
