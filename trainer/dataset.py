"""Batches of transformed examples, parsed a chunk at a time and kept in memory if they fit."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from transforms.examples import label_name, weight_name
from transforms.tasks import Tasks

_CHUNK_ROWS = 32_768
_SHUFFLED_CHUNKS = 16
_OPEN_FILES = 64
DEFAULT_CACHE_MB = 4096


class Batches:
    """The batches of a split: the same for every process that reads the same files.

    Rows are parsed, cached, shuffled and cut in large chunks, never one by one: the work a
    row is then a gather. The order of an epoch is a function of the seed and the epoch, and
    of nothing that happened before.

    Args:
        files: TFRecord files or patterns, gzip.
        transform: the analysed transform graph, for the examples' shape.
        batch_size: examples a batch; the last one of an epoch may be smaller.
        shuffle_seed: shuffles chunks, and rows inside a chunk, differently each epoch; None
            keeps the files' order.
        cache_mb: parsed examples stay in memory if they take no more than this; larger ones
            are parsed again each epoch.

    Attributes:
        size: how many examples an epoch has.
        is_kept: whether parsed examples stay in memory.
    """

    def __init__(
        self,
        files: Sequence[str],
        transform: tft.TFTransformOutput,
        batch_size: int,
        shuffle_seed: int | None = None,
        cache_mb: int = DEFAULT_CACHE_MB,
    ) -> None:
        self.batch_size = batch_size
        self._seed = shuffle_seed
        spec, records = transform.transformed_feature_spec(), _read_records(files)
        self.size = _count(records)
        self.is_kept = self.size * _row_bytes(spec) <= cache_mb * 2**20
        chunks = records.map(
            lambda chunk: tf.io.parse_example(chunk, spec),
            num_parallel_calls=None if self.is_kept else tf.data.AUTOTUNE,
        )
        self._chunks = chunks.cache() if self.is_kept else chunks

    def epoch(self, number: int | tf.Tensor = 0) -> tf.data.Dataset:
        """All examples once: batches feature, label or weight name -> tensor [B] or [B, M].

        Args:
            number: of the epoch, from 0.
        """
        chunks = self._chunks
        if self._seed is not None:
            number = tf.cast(number, tf.int64)
            seed = tf.random.experimental.stateless_fold_in([self._seed, 0], number)
            chunks = chunks.shuffle(_SHUFFLED_CHUNKS, seed=seed[0], reshuffle_each_iteration=False)
            chunks = chunks.enumerate().map(lambda i, chunk: _shuffle_rows(chunk, seed, i))
        return chunks.rebatch(self.batch_size)

    def endless(self, epoch: int = 0, step: int = 0) -> tf.data.Dataset:
        """Epoch after epoch; each iterator begins at the same place.

        Args:
            epoch: the first one.
            step: how many of its batches are left out.
        """
        if step:
            return self.epoch(epoch).skip(step).concatenate(self.endless(epoch + 1))
        return tf.data.Dataset.counter(start=epoch).flat_map(self.epoch)

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""
        return -(-self.size // self.batch_size)

    def mean_labels(self, tasks: Tasks) -> dict[str, float]:
        """Mean label of each task over the examples where it exists; 0 if there is none.

        Args:
            tasks: the YAML's tasks.
        """
        start = tf.zeros([len(tasks), 2], tf.float64)

        def add(total: tf.Tensor, chunk: dict[str, tf.Tensor]) -> tf.Tensor:
            sums = [
                [tf.reduce_sum(chunk[label_name(t)] * chunk[weight_name(t)]),
                 tf.reduce_sum(chunk[weight_name(t)])]
                for t in tasks
            ]  # fmt: skip
            return total + tf.cast(sums, tf.float64)

        totals = self._chunks.reduce(start, add)
        means = tf.math.divide_no_nan(totals[:, 0], totals[:, 1]).numpy()
        return dict(zip(tasks, means.tolist(), strict=True))


def read_batches(
    files: Sequence[str],
    transform: tft.TFTransformOutput,
    batch_size: int,
    shuffle_seed: int | None = None,
    epoch: int = 0,
) -> tf.data.Dataset:
    """The batches of one epoch; arguments are those of `Batches`, and `epoch` its number."""
    batches = Batches(files, transform, batch_size, shuffle_seed).epoch(epoch)
    return batches.prefetch(tf.data.AUTOTUNE)


def _read_records(files: Sequence[str]) -> tf.data.Dataset:
    """Chunks of serialized examples, [rows]."""
    paths = sorted(path for file in files for path in tf.io.gfile.glob(str(file)))
    # The shards are read side by side, so that a chunk holds rows of many of them.
    rows = tf.data.Dataset.from_tensor_slices(paths).interleave(
        lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
        cycle_length=min(max(len(paths), 1), _OPEN_FILES),
        block_length=64,
    )
    return rows.batch(_CHUNK_ROWS)


def _count(records: tf.data.Dataset) -> int:
    """How many records there are in all chunks."""
    return int(
        records.reduce(tf.constant(0, tf.int64), lambda n, chunk: n + tf.size(chunk, tf.int64))
    )


def _row_bytes(spec: dict[str, Any]) -> int:
    """What a parsed example takes, without lists of unknown length."""
    sizes = (
        math.prod(column.shape) * column.dtype.size
        for column in spec.values()
        if isinstance(column, tf.io.FixedLenFeature)
    )
    return sum(sizes)


def _num_rows(chunk: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.shape(next(iter(chunk.values())), tf.int64)[0]


def _shuffle_rows(
    chunk: dict[str, tf.Tensor], seed: tf.Tensor, number: tf.Tensor
) -> dict[str, tf.Tensor]:
    order = tf.random.experimental.stateless_shuffle(
        tf.range(_num_rows(chunk)), seed=tf.random.experimental.stateless_fold_in(seed, number)
    )
    return {name: tf.gather(values, order) for name, values in chunk.items()}
