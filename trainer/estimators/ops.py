"""Routers inside TensorFlow: weights as a tensor, and the loss whose gradient is the estimate.

Routing is discrete and stays on the host: it works eagerly and in tf.function, not under XLA
and not in a SavedModel.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.estimators.registry import Router


def make_route(router: Router, capacity: int, seed: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from logits [..., B, n] to the router's weights [..., B, n].

    Each call goes on in one sequence of random numbers, so a seed repeats a whole training.
    Weights have the dtype of the logits and no gradient.

    Args:
        router: one of `trainer.estimators.registry.ROUTERS`.
        capacity: c, examples that an expert computes of one batch.
        seed: of the sequence.

    Example:
        >>> from trainer.estimators.unbiased import balanced
        >>> weights = make_route(balanced, capacity=2, seed=0)(tf.zeros([4, 2]))
        >>> tf.math.count_nonzero(weights, axis=0).numpy().tolist()
        [2, 2]
    """
    rng = np.random.default_rng(seed)

    def on_host(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        return router(logits, capacity, rng).astype(logits.dtype)

    def route(logits: tf.Tensor) -> tf.Tensor:
        weights = tf.numpy_function(on_host, [tf.stop_gradient(logits)], logits.dtype)
        weights.set_shape(logits.shape)
        return weights

    return route


def surrogate_loss(log_probs: tf.Tensor, weights: tf.Tensor, losses: tf.Tensor) -> tf.Tensor:
    """(1/B) sum_ij weights_ij f_ij, whose gradient has the terms f grad log p + grad f.

    Args:
        log_probs: log p(j|x_i), [B, n].
        weights: of a router, [B, n].
        losses: f_i(j), [B, n]; where the weight is 0 any finite value will do.

    Returns:
        Scalar: the estimate of the mean loss, whose gradient is the estimate of its gradient.

    Example:
        >>> float(surrogate_loss(tf.zeros([2, 1]), tf.ones([2, 1]), tf.constant([[1.0], [3.0]])))
        2.0
    """
    score = log_probs - tf.stop_gradient(log_probs)  # 0, with the gradient of log p
    terms = tf.stop_gradient(weights) * (losses + tf.stop_gradient(losses) * score)
    return tf.reduce_mean(tf.reduce_sum(terms, axis=-1))
