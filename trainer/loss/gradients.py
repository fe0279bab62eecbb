"""The gradients of several losses: apart from each other, over all replicas, multiplied."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Gradients = Sequence[tf.Tensor | tf.IndexedSlices | None]


class GradientBalance(tf.keras.layers.Layer):
    """Base of what looks at each task's gradient before a step."""

    def gradients(
        self,
        tape: tf.GradientTape,
        losses: Sequence[tf.Tensor],
        penalty: tf.Tensor,
        variables: Sequence[tf.Variable],
        shared: Sequence[tf.Variable],
    ) -> list[Any]:
        """The gradient of a step, one of each variable.

        Args:
            tape: persistent, that has seen the losses come about.
            losses: one replica's share of each task's.
            penalty: its share of what is added to them.
            variables: that the step changes.
            shared: those of them that all tasks may share, the last layer's at the end.
        """
        raise NotImplementedError


def task_gradients(
    tape: tf.GradientTape, losses: Sequence[tf.Tensor], variables: Sequence[tf.Variable]
) -> list[Gradients]:
    """Each loss's gradient, summed over all replicas; dense where there are several.

    Args:
        tape: persistent.
        losses: one replica's share of each.
        variables: by which.
    """
    found: list[Gradients] = [tape.gradient(loss, variables) for loss in losses]
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return found
    # Replicas look up different rows, whose products no replica has.
    return [
        [
            None if g is None else context.all_reduce("SUM", tf.convert_to_tensor(g))
            for g in gradients
        ]
        for gradients in found
    ]


def inner_products(gradients: Sequence[Gradients]) -> tf.Tensor:
    """G_ij = <g_i, g_j> over all variables together, [T, T].

    Args:
        gradients: [T][V]; None is 0. Rows of an embedding may come more than once.

    Example:
        >>> inner_products([[tf.constant([3.0, 4.0])], [tf.constant([1.0, 0.0])]]).numpy()
        array([[25.,  3.],
               [ 3.,  1.]], dtype=float32)
    """
    products = []
    for of_variable in zip(*gradients, strict=True):
        there = [g for g in of_variable if g is not None]
        if not there:
            continue
        if all(isinstance(g, tf.IndexedSlices) for g in there):
            there = _add_up_rows(there)
        flat = iter([tf.reshape(tf.convert_to_tensor(g), [-1]) for g in there])
        known = [g is not None for g in of_variable]
        rows = tf.stack(list(flat))  # [known, size]
        places = tf.constant([[i] for i, k in enumerate(known) if k])
        spread = tf.one_hot(places[:, 0], len(known), dtype=rows.dtype)  # [known, T]
        product = tf.matmul(rows, rows, transpose_b=True)
        products.append(tf.matmul(spread, product @ spread, transpose_a=True))
    return tf.add_n(products)


def _add_up_rows(slices: Sequence[tf.IndexedSlices]) -> list[tf.Tensor]:
    """[r_t, d] of rows that may come more than once -> [sum of r, d] each, equal rows in one."""
    indices = tf.concat([s.indices for s in slices], axis=0)
    # Of its first place among the sorted ones, for XLA has no number of different ones.
    place = tf.searchsorted(tf.sort(indices), indices)
    parts = tf.split(place, [tf.shape(s.indices)[0] for s in slices])
    return [
        tf.math.unsorted_segment_sum(s.values, part, tf.size(indices))
        for s, part in zip(slices, parts, strict=True)
    ]
