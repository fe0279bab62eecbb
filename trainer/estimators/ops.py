"""Routers inside TensorFlow, and the weights whose gradient makes a loss the estimate.

`skip` is made of TensorFlow's own ops. The others run in NumPy on the host, in the process
that started the step: eagerly and in tf.function, not under XLA, not on another machine.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.estimators.biased import top_k_dropped
from trainer.estimators.capacity import capacity_of
from trainer.estimators.registry import ROUTERS
from trainer.estimators.skip_ops import route_skip
from trainer.noise import draw_seed

Route = Callable[[tf.Tensor], tf.Tensor]
"""Logits [..., B, n] -> weights [..., B, n] of their dtype, without a gradient."""


def make_route(router: str, capacity_factor: float, k: int = 1) -> Route:
    """A router with c = ceil(capacity_factor B / n), B the size of the batch that comes.

    Each call draws the noise of its training step (`trainer.noise`).

    Args:
        router: a name in `trainer.estimators.registry.ROUTERS`.
        capacity_factor: at least 1; 1 leaves no expert a free slot.
        k: of `top_k_dropped`, experts an example.

    Example:
        >>> weights = make_route("balanced", 1.0)(tf.zeros([4, 2]))
        >>> tf.math.count_nonzero(weights, axis=0).numpy().tolist()
        [2, 2]
    """
    if router == "skip":
        return partial(route_skip, capacity_factor=capacity_factor)
    choose = partial(top_k_dropped, k=k) if router == "top_k_dropped" else ROUTERS[router]

    def on_host(
        logits: npt.NDArray[np.floating], seed: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.floating]:
        if not logits.size:  # a replica that a short last batch has left nothing
            return logits
        capacity = capacity_of(logits.shape[-2], logits.shape[-1], capacity_factor)
        return choose(logits, capacity, np.random.default_rng(seed)).astype(logits.dtype)

    def route(logits: tf.Tensor) -> tf.Tensor:
        seed = tf.random.stateless_uniform([2], draw_seed(), 0, tf.int32.max, tf.int32)
        weights = tf.numpy_function(on_host, [tf.stop_gradient(logits), seed], logits.dtype)
        weights.set_shape(logits.shape)
        return weights

    return route


def estimating_weights(weights: tf.Tensor, log_probs: tf.Tensor) -> tf.Tensor:
    """w (1 + log p - stop_gradient(log p)): w, with the gradient w grad log p.

    A loss f times it has the value w f and the gradient w (f grad log p + grad f).

    Args:
        weights: w of a router at the expert of each example.
        log_probs: log p(z_i|x_i) of that expert.

    Example:
        >>> p = tf.Variable(0.5)
        >>> with tf.GradientTape() as tape:
        ...     loss = estimating_weights(tf.constant(2.0), tf.math.log(p)) * 3.0
        >>> float(loss), float(tape.gradient(loss, p))
        (6.0, 12.0)

    Reference: Foerster et al. 2018, arXiv 1802.05098, for one stochastic node.
    """
    return tf.stop_gradient(weights) * (1.0 + log_probs - tf.stop_gradient(log_probs))
