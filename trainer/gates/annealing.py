"""Numbers that fall while a gate trains."""

import math

import tensorflow as tf

from trainer.gates.state import add_state

_END = 1e-16


class Annealed(tf.keras.layers.Layer):
    """A number that falls log-uniformly from `start` to 1e-16 over training steps.

    The count of steps is a variable, so it is in the checkpoint, and a gate goes back to
    the weights of an earlier step with the number of that step.

    Args:
        start: its first value, > 1e-16.
        steps: how many training steps it takes; it stays at 1e-16 afterwards.
        dtype: of the number.

    Example:
        >>> beta = Annealed(1.0, 4, "beta", tf.float32)
        >>> beta.advance(tf.zeros([1]))
        >>> round(float(tf.math.log(beta(None)) / tf.math.log(10.0)), 3)
        -4.0
    """

    def __init__(self, start: float, steps: int, name: str, dtype: tf.DType) -> None:
        super().__init__(name=name, dtype=dtype)
        self.start = start
        self.steps = steps
        self.step = add_state(self, "step", dtype=tf.int64)

    def call(self, inputs: tf.Tensor = None) -> tf.Tensor:
        """The number now, a scalar; `inputs` does not matter."""
        share = tf.minimum(tf.cast(self.step, self.compute_dtype) / self.steps, 1.0)
        first, last = math.log(self.start), math.log(_END)
        return tf.exp(first + share * (last - first))

    def advance(self, inputs: tf.Tensor) -> None:
        """One training step is done.

        Args:
            inputs: of the step. A step that finds no more examples ends in the middle, and
                without them it would be counted.
        """
        with tf.control_dependencies([inputs]):
            self.step.assign_add(1)
