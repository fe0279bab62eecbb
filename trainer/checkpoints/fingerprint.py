"""Which training a checkpoint is of."""

import hashlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from trainer.config import TrainerConfig
from trainer.job import TrainJob
from trainer.strategies.options import OneDeviceOptions

_CHUNK_BYTES = 1 << 20


def take_fingerprint(job: TrainJob) -> str:
    """A digest of what a training's result depends on: config, code, examples, transform, base.

    The strategy is not among it, as all come to the same weights: a training may go on with
    fewer workers than it began with. Nor is when checkpoints are written.

    Args:
        job: the training.

    Returns:
        32 hexadecimal digits.
    """
    train, held_out = _find(job.train_files), _find(job.eval_files)
    transform = _find_below(job.transform_dir, {*train, *held_out})
    groups = [train, held_out, transform, [job.base] if job.base is not None else []]
    return digest_files([_essence(job.config), job.code_version], groups)


def digest_files(texts: Sequence[str], groups: Sequence[Sequence[str]]) -> str:
    """A digest of texts and of files, with their names but not with their folders.

    Args:
        texts: any.
        groups: of paths or URIs.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(repr([list(texts), list(map(len, groups))]).encode(), digest_size=16)
    for path in (path for group in groups for path in group):
        digest.update(repr((path.rpartition("/")[2], tf.io.gfile.stat(path).length)).encode())
        for chunk in _read(path):
            digest.update(chunk)
    return digest.hexdigest()


def _essence(config: TrainerConfig) -> str:
    return config.with_training(strategy=OneDeviceOptions(), checkpoint=None).model_dump_json()


def _find(patterns: tuple[str, ...]) -> list[str]:
    return sorted({path for pattern in patterns for path in tf.io.gfile.glob(pattern)})


def _find_below(folder: str, others: set[str]) -> list[str]:
    walk = tf.io.gfile.walk(folder)
    paths = {tf.io.gfile.join(parent, name) for parent, _, names in walk for name in names}
    return sorted(paths - others)


def _read(path: str) -> Iterator[bytes]:
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
