"""The random numbers of training steps: a function of the seed and the step, of nothing before.

A training that goes on from a checkpoint draws what it would have drawn without the
interruption, and nothing about it has to be in the checkpoint.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

# Room for a step's draws and for its replicas in a stream's number, below the training's seed.
_DRAW_BITS, _REPLICA_BITS = 16, 16


class _Step:
    """What seeds one step of one replica: each draw has a stream of its own."""

    def __init__(self, seed: int, step: tf.Tensor) -> None:
        self._step = tf.cast(step, tf.int64)
        self._stream = seed << (_DRAW_BITS + _REPLICA_BITS)

    def draw(self, is_shared: bool) -> tf.Tensor:
        self._stream += 1
        stream = tf.constant(self._stream, tf.int64)
        context = tf.distribute.get_replica_context()
        if context is not None and not is_shared:
            replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
            stream += tf.bitwise.left_shift(replica, tf.constant(_DRAW_BITS, tf.int64))
        return tf.stack([self._step, stream])


_CURRENT: ContextVar[_Step | None] = ContextVar("step", default=None)


@contextmanager
def noise_of_step(seed: int, step: tf.Tensor) -> Iterator[None]:
    """Inside, `draw_seed` depends on these numbers and on how often it was called.

    Args:
        seed: of the training, below 2^31.
        step: of the training, an integer scalar.

    Example:
        >>> with noise_of_step(1, tf.constant(7)):
        ...     first, second = draw_seed(), draw_seed()
        >>> with noise_of_step(1, tf.constant(7)):
        ...     again = draw_seed()
        >>> bool(tf.reduce_all(first == again)), bool(tf.reduce_all(first == second))
        (True, False)
    """
    token = _CURRENT.set(_Step(seed, step))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def draw_seed(is_shared: bool = False) -> tf.Tensor:
    """A seed [2] for one of TensorFlow's stateless random operations.

    Outside of `noise_of_step` it comes from TensorFlow's sequence of random numbers, which
    `tf.keras.utils.set_random_seed` starts.

    Args:
        is_shared: whether all replicas of the step draw the same numbers: for noise that is not
            about examples.
    """
    step = _CURRENT.get()
    if step is None:
        return tf.random.uniform([2], maxval=tf.int64.max, dtype=tf.int64)
    return step.draw(is_shared)


def hide(values: tf.Tensor, rate: float) -> tf.Tensor:
    """[B, ...] with 0 in place of whole examples, each with the chance `rate`.

    Args:
        values: ids or positions, where 0 means unknown.
        rate: in [0, 1).
    """
    kept = tf.random.stateless_uniform(tf.shape(values)[:1], draw_seed()) >= rate
    kept = tf.reshape(kept, [-1] + [1] * (values.shape.rank - 1))
    return tf.where(kept, values, tf.zeros_like(values))


class Dropout(tf.keras.layers.Layer):
    """Inverted dropout, whose masks are the noise of the step.

    A byte of noise decides about a value, where Keras draws a 32-bit number: a third of the
    time. The rate is rounded to 1/256 for that, and what is kept grows by 1 / (1 - rate) as
    rounded, so that the mean is exact.

    Args:
        rate: share of the values that training sets to 0.

    Reference: Srivastava et al., JMLR 2014.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        # A rate above 0 hides something, and one below 1 leaves something.
        self._hidden = min(max(round(256 * rate), 1), 255) if rate else 0

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Of the shape of `inputs`."""
        if not training or not self._hidden:
            return inputs
        noise = _draw_bytes(tf.shape(inputs))
        kept = tf.cast(noise >= self._hidden, inputs.dtype)
        return inputs * (kept * (256.0 / (256 - self._hidden)))


def _draw_bytes(shape: tf.Tensor) -> tf.Tensor:
    """Noise of the step in [0, 255], uint8: four bytes of each number that is drawn."""
    size = tf.reduce_prod(shape)
    numbers = tf.random.stateless_uniform(
        [(size + 3) // 4], draw_seed(), minval=None, maxval=None, dtype=tf.uint32
    )
    drawn = tf.reshape(tf.bitcast(numbers, tf.uint8), [-1])
    return tf.reshape(drawn[:size], shape)
