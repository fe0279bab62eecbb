"""Batches of transformed examples, parsed a batch at a time and kept in memory."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft

from transforms.examples import label_name, weight_name
from transforms.tasks import Tasks

_CHUNK_ROWS = 32_768


def read_batches(
    files: Sequence[str],
    transform: tft.TFTransformOutput,
    batch_size: int,
    shuffle_seed: int | None = None,
) -> tf.data.Dataset:
    """Reads transformed examples.

    Rows are parsed, cached, shuffled and cut in large chunks, never one by one: the work a
    row is then a gather.

    Args:
        files: TFRecord files or patterns, gzip.
        transform: the analysed transform graph, for the examples' shape.
        batch_size: examples a batch; the last one may be smaller.
        shuffle_seed: shuffles chunks, and rows inside a chunk, differently each epoch, in
            an order fixed by the seed; None keeps the files' order.

    Returns:
        Batches: feature, label or weight name -> tensor [B] or [B, M].
    """
    paths = sorted(path for file in files for path in tf.io.gfile.glob(str(file)))
    spec = transform.transformed_feature_spec()
    # The shards are read side by side, so that a chunk holds rows of all of them.
    rows = tf.data.Dataset.from_tensor_slices(paths).interleave(
        lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
        cycle_length=max(len(paths), 1),
        block_length=64,
    )
    chunks = rows.batch(_CHUNK_ROWS).map(lambda chunk: tf.io.parse_example(chunk, spec)).cache()
    if shuffle_seed is not None:
        seeds = tf.data.Dataset.random(shuffle_seed, rerandomize_each_iteration=True)
        chunks = chunks.shuffle(16, seed=shuffle_seed)
        chunks = tf.data.Dataset.zip(chunks, seeds).map(_shuffle_rows)
    return chunks.rebatch(batch_size).prefetch(tf.data.AUTOTUNE)


def _shuffle_rows(chunk: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
    size = tf.shape(next(iter(chunk.values())))[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(size), seed=[seed, 0])
    return {name: tf.gather(values, order) for name, values in chunk.items()}


def mean_labels(batches: tf.data.Dataset, tasks: Tasks) -> dict[str, float]:
    """Mean label of each task over the examples where it exists; 0 if there is none.

    Args:
        batches: from `read_batches`.
        tasks: the YAML's tasks.
    """
    start = tf.zeros([len(tasks), 2], tf.float64)

    def add(total: tf.Tensor, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        sums = [
            [tf.reduce_sum(batch[label_name(t)] * batch[weight_name(t)]),
             tf.reduce_sum(batch[weight_name(t)])]
            for t in tasks
        ]  # fmt: skip
        return total + tf.cast(sums, tf.float64)

    totals = batches.reduce(start, add)
    means = tf.math.divide_no_nan(totals[:, 0], totals[:, 1]).numpy()
    return dict(zip(tasks, means.tolist(), strict=True))
