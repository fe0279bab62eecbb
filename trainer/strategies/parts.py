"""Cuts batches into the parts of the replicas: all of one size, every example in one of them."""

import tensorflow as tf

from trainer.batch_part import name_part


def cut_batches(
    batches: tf.data.Dataset, batch_size: int, replicas: int, first: int = 0, count: int = 1
) -> tf.data.Dataset:
    """The parts of some of the replicas, one element a replica and batch.

    A part has ceil(batch_size / replicas) rows. Where examples are missing, in the last batch
    or since the size is no multiple, rows of zeros stand in; `BatchPart` tells which. So all
    shapes are fixed, and no replica is without rows.

    Args:
        batches: name -> [B, ...], B at most `batch_size`.
        batch_size: examples a batch.
        replicas: how many share a batch.
        first: the first replica whose parts are wanted.
        count: how many replicas' parts are wanted.

    Returns:
        For each batch `count` elements, in the order of the replicas.

    Example:
        >>> three = tf.data.Dataset.from_tensors({"x": tf.constant([1, 2, 3])})
        >>> [part["x"].numpy().tolist() for part in cut_batches(three, 4, 2, 0, 2)]
        [[1, 2], [3, 0]]
    """
    rows = -(-batch_size // replicas)
    start, end = first * rows, (first + count) * rows

    def pad(values: tf.Tensor) -> tf.Tensor:
        mine = values[start:end]
        missing = count * rows - tf.shape(mine)[0]
        padded = tf.pad(mine, [[0, missing]] + [[0, 0]] * (values.shape.rank - 1))
        return tf.reshape(padded, [count, rows, *values.shape[1:]])

    def cut(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        total = tf.shape(next(iter(batch.values())))[0]
        parts = {name: pad(values) for name, values in batch.items()}  # each [count, rows, ...]
        totals = tf.fill([count], tf.cast(total, tf.float32))
        return parts | name_part(pad(tf.ones([total])), totals)

    return batches.map(cut, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
