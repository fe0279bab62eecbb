"""A replica's part of a batch: which rows are examples, and how many the whole batch has."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

# No feature, task or key can have these names: a name begins with a letter.
_PRESENT = "_present"
_TOTAL = "_total"


class BatchPart(NamedTuple):
    """What a mean over all replicas' examples needs to know of one replica's rows.

    Attributes:
        present: [B], 1 for an example and 0 for padding.
        total: scalar, the examples of the whole batch, over all replicas.
    """

    present: tf.Tensor
    total: tf.Tensor


def num_replicas() -> int:
    """How many replicas take a step together."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def name_part(present: tf.Tensor, total: tf.Tensor) -> dict[str, tf.Tensor]:
    """What a batch that is part of a larger one has besides its features.

    Args:
        present: [..., B], see `BatchPart`.
        total: [...].
    """
    return {_PRESENT: present, _TOTAL: total}


def find_part(batch: Mapping[str, tf.Tensor]) -> BatchPart | None:
    """The part that a batch says it is, None if it is not cut."""
    return BatchPart(batch[_PRESENT], batch[_TOTAL]) if _PRESENT in batch else None


def whole_part(rows: tf.Tensor) -> BatchPart:
    """A part without padding, as large as that of every other replica.

    Args:
        rows: how many rows it has.

    Example:
        >>> part = whole_part(3)
        >>> part.present.numpy().tolist(), float(part.total)
        ([1.0, 1.0, 1.0], 3.0)
    """
    present = tf.ones([rows])
    return BatchPart(present, tf.cast(rows * num_replicas(), present.dtype))


def mean_over_examples(values: tf.Tensor, part: BatchPart | None = None) -> tf.Tensor:
    """A replica's share in the mean over the examples of all replicas, times their number.

    So the mean over the replicas is the mean over the examples, also where a replica has few
    examples or none. No replica has to ask the others.

    Args:
        values: [B].
        part: whose values they are; by default all are of examples.

    Returns:
        A scalar.

    Example:
        >>> part = BatchPart(tf.constant([1.0, 1.0, 0.0]), tf.constant(2.0))
        >>> float(mean_over_examples(tf.constant([1.0, 2.0, 9.0]), part))
        1.5
    """
    total = (part or whole_part(tf.shape(values)[0])).total
    return num_replicas() * sum_over_part(values, part) / tf.cast(total, values.dtype)


def sum_over_part(values: tf.Tensor, part: BatchPart | None) -> tf.Tensor:
    """[B, ...] -> [...], over the examples of this replica only."""
    if part is None:
        return tf.reduce_sum(values, axis=0)
    return tf.einsum("b,b...->...", tf.cast(part.present, values.dtype), values)


def sum_over_examples(values: tf.Tensor, part: BatchPart | None = None) -> tf.Tensor:
    """[B, ...] -> [...], over the examples of all replicas; its gradient reaches all of them.

    Args:
        values: [B, ...].
        part: whose values they are; by default all are of examples.

    Example:
        >>> part = BatchPart(tf.constant([1.0, 0.0]), tf.constant(1.0))
        >>> sum_over_examples(tf.constant([[1.0, 2.0], [9.0, 9.0]]), part).numpy().tolist()
        [1.0, 2.0]
    """
    total = sum_over_part(values, part)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return total
    return context.all_reduce(tf.distribute.ReduceOp.SUM, total)
