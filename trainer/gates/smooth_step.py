"""DSelect-k's parts: the smooth step, the selector made of its bits, and the selector's entropy."""

from collections.abc import Callable

import tensorflow as tf

# Nearer to its ends than this, S is binary but for 1.2e-7, which 32 bits cannot always tell,
# while S' is not 0 yet: there, what was exactly binary could open again.
LAST_OPEN = 0.4998


def smooth_step(t: tf.Tensor, beta: float | tf.Tensor) -> tf.Tensor:
    """S(t): 0 for t <= -beta/2, 1 for t >= beta/2, and in between the cubic
    -(2/beta^3) t^3 + (3/(2 beta)) t + 1/2. S and S' are continuous. Once S is exactly 0
    or 1, S' is 0: the rounding of 32 bits cannot open it again.

    Args:
        t: any shape.
        beta: width of the step, > 0.

    Example:
        >>> smooth_step(tf.constant([-1.0, 0.0, 0.5]), 1.0).numpy().tolist()
        [0.0, 0.5, 1.0]
    """
    # In units of beta, so that a beta of 1e-16 overflows nothing; exact at both ends.
    u = _clip(t / beta)
    return -2.0 * u**3 + 1.5 * u + 0.5


@tf.custom_gradient
def _clip(u: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """To [-1/2, 1/2], where the cubic is flat: its slope alone stops the gradient."""
    return tf.where(tf.abs(u) < LAST_OPEN, u, 0.5 * tf.sign(u)), lambda upstream: upstream


def select_expert(bits: tf.Tensor) -> tf.Tensor:
    """r(z): probability of each code, for independent bits with probabilities S(z).

    r_i = prod of s_j over the set bits j of i, times prod of (1 - s_j) over the others.
    Built by doubling, one bit at a time, so no table of codes is needed; codes are the first
    axis until the end, because tensors are quickly joined along that one only.

    Args:
        bits: S(z), [..., m], least significant bit first.

    Returns:
        [..., 2^m], rows sum to 1.

    Example:
        >>> select_expert(tf.constant([1.0, 0.0])).numpy().tolist()
        [0.0, 1.0, 0.0, 0.0]
    """
    codes = tf.ones(tf.shape(bits)[:-1], bits.dtype)[tf.newaxis]  # [1, ...]
    for bit in tf.unstack(bits, axis=-1):
        set_ = codes * bit
        codes = tf.concat([codes - set_, set_], axis=0)
    return tf.transpose(codes, [*range(1, codes.shape.rank), 0])


def bits_entropy(bits: tf.Tensor) -> tf.Tensor:
    """H(r) of each selector, natural log: the bits are independent, so H(r) = sum_j h(s_j).

    Args:
        bits: S(z), [..., m].

    Returns:
        [...]; 0 exactly where all bits are binary, with a finite gradient there.
    """
    zeros = 1.0 - bits
    return -tf.reduce_sum(tf.math.xlogy(bits, bits) + tf.math.xlogy(zeros, zeros), axis=-1)


@tf.custom_gradient
def keep_open(
    z: tf.Tensor, reach: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    """z clipped to [-reach, reach], with the gradient of a projection.

    What would move z further outside is stopped, what moves it back is not, so a bit that
    is not final keeps the slope that can turn it.

    Args:
        z: any shape.
        reach: a scalar > 0; infinite to leave z as it is.

    Example:
        >>> keep_open(tf.constant([-2.0, 0.1]), tf.constant(0.5)).numpy().tolist()
        [-0.5, 0.10000000149011612]
    """

    def backward(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        passes = (tf.abs(z) < reach) | (upstream * z > 0.0)  # descent goes against the gradient
        return tf.where(passes, upstream, tf.zeros_like(upstream)), None

    return tf.clip_by_value(z, -reach, reach), backward
