"""The `skip` router in TensorFlow's own ops: on any device and machine, also under XLA."""

import tensorflow as tf

from trainer.noise import draw_seed

_TINY = 1e-20


def route_skip(logits: tf.Tensor, capacity_factor: float) -> tf.Tensor:
    """`trainer.estimators.unbiased.skip` with c = ceil(capacity_factor B / n).

    Args:
        logits: [..., B, n].
        capacity_factor: at least 1.

    Returns:
        Weights [..., B, n], without a gradient.

    Example:
        >>> weights = route_skip(tf.zeros([6, 3]), 1.0)
        >>> bool(tf.reduce_all(tf.math.count_nonzero(weights, axis=0) <= 2))
        True
    """
    num_experts = logits.shape[-1]
    size = tf.shape(logits)[:-1]  # [..., B]
    # The largest of the logits with Gumbel noise: XLA has no stateless categorical draw.
    noise = tf.random.stateless_uniform(tf.shape(logits), draw_seed(), _TINY, dtype=logits.dtype)
    gumbel = -tf.math.log(-tf.math.log(noise))
    choices = tf.argmax(tf.stop_gradient(logits) + gumbel, axis=-1)  # [..., B]
    slots = tf.cast(size[-1], tf.float64) * capacity_factor / num_experts
    capacity = tf.cast(tf.math.ceil(slots), tf.int32)
    keys = tf.random.stateless_uniform(size, draw_seed())
    weights = skip_weights(choices, keys, num_experts, capacity)
    return tf.cast(weights, logits.dtype)


def skip_weights(
    choices: tf.Tensor, keys: tf.Tensor, num_experts: int, capacity: tf.Tensor
) -> tf.Tensor:
    """`trainer.estimators.unbiased.skip_weights`.

    Args:
        choices: z, [..., B].
        keys: [..., B]; an expert keeps the examples with the smallest.
        num_experts: n.
        capacity: c, a scalar.

    Returns:
        [..., B, n], float64.

    Example:
        >>> skip_weights(tf.constant([0, 0, 0]), tf.constant([0.1, 0.9, 0.2]), 1, 2).numpy().T
        array([[1.5, 0. , 1.5]])
    """
    wanted = tf.one_hot(choices, num_experts, dtype=tf.int32)  # [..., B, n]
    order = tf.argsort(keys)
    in_order = {"axis": -2, "batch_dims": keys.shape.rank - 1}
    queue = tf.cumsum(tf.gather(wanted, order, **in_order), axis=-2)
    places = tf.gather(queue, tf.argsort(order), **in_order)
    loads = tf.reduce_sum(wanted, axis=-2, keepdims=True)  # [..., 1, n]
    share = tf.maximum(loads / capacity, 1.0)  # of what was asked for by what is kept
    return tf.where((wanted > 0) & (places <= capacity), share, tf.zeros_like(share))
