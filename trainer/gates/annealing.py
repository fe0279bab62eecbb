"""Numbers that fall while a gate trains."""

import math

import tensorflow as tf

from trainer.gates.state import add_state

_END = 1e-16


class Annealed(tf.keras.layers.Layer):
    """A number that falls from `start` to 1e-16 over training steps: base of the ways to fall.

    The count of steps is a variable, so it is in the checkpoint, and a gate goes back to
    the weights of an earlier step with the number of that step.

    Args:
        start: its first value, > 1e-16.
        steps: how many training steps it takes; it stays at 1e-16 afterwards.
        dtype: of the number.
    """

    def __init__(self, start: float, steps: int, name: str, dtype: tf.DType) -> None:
        super().__init__(name=name, dtype=dtype)
        self.start = start
        self.steps = steps
        self.step = add_state(self, "step", dtype=tf.int64)

    def share(self) -> tf.Tensor:
        """How much of the way is done, in [0, 1]."""
        return tf.minimum(tf.cast(self.step, self.compute_dtype) / self.steps, 1.0)

    def call(self, inputs: tf.Tensor = None) -> tf.Tensor:
        """The number now, a scalar; `inputs` does not matter."""
        raise NotImplementedError

    def advance(self, inputs: tf.Tensor, counts: bool | tf.Tensor = True) -> None:
        """One training step is done.

        Args:
            inputs: of the step. A step that finds no more examples ends in the middle, and
                without them it would be counted.
            counts: whether the step is one of those over which the number falls.
        """
        with tf.control_dependencies([inputs]):
            self.step.assign_add(tf.cast(counts, tf.int64))


class LogUniformlyAnnealed(Annealed):
    """Falls by the same factor each step.

    Example:
        >>> tau = LogUniformlyAnnealed(1.0, 4, "tau", tf.float32)
        >>> tau.advance(tf.zeros([1]))
        >>> round(float(tf.math.log(tau(None)) / tf.math.log(10.0)), 3)
        -4.0
    """

    def call(self, inputs: tf.Tensor = None) -> tf.Tensor:
        """start * (1e-16 / start)^share, a scalar."""
        first, last = math.log(self.start), math.log(_END)
        return tf.exp(first + self.share() * (last - first))


class QuadraticallyAnnealed(Annealed):
    """Falls slowly in relation to itself at first, and faster and faster.

    Example:
        >>> beta = QuadraticallyAnnealed(1.0, 4, "beta", tf.float32)
        >>> beta.advance(tf.zeros([1]))
        >>> float(beta(None))
        0.5625
    """

    def call(self, inputs: tf.Tensor = None) -> tf.Tensor:
        """start * (1 - share)^2, a scalar."""
        return tf.maximum(self.start * tf.square(1.0 - self.share()), _END)
