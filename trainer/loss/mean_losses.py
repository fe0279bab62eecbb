"""The losses that are shown: means over the examples of an epoch or of a split."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


class MeanLosses(tf.keras.metrics.Metric):
    """The mean over examples of the weighted task losses; `loss` is their sum.

    Args:
        tasks: names.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__("loss", dtype=tf.float32)
        self.tasks = tuple(tasks)
        self.totals = self.add_weight("totals", shape=(len(tasks),), initializer="zeros")
        self.count = self.add_weight("count", initializer="zeros")

    def update_state(self, totals: tf.Tensor, count: tf.Tensor) -> None:
        """Adds the losses [T] of `count` examples."""
        self.totals.assign_add(totals)
        self.count.assign_add(count)

    def reset_state(self) -> None:
        """Forgets all examples."""
        self.totals.assign(tf.zeros_like(self.totals))
        self.count.assign(0.0)

    def result(self) -> tf.Tensor:
        """A scalar; 0 before the first example."""
        return tf.math.divide_no_nan(tf.reduce_sum(self.totals), self.count)

    def not_finite(self) -> list[str]:
        """The tasks whose loss was not finite in a step since the last reset."""
        is_finite = np.isfinite(self.totals.numpy())
        return [task for task, is_good in zip(self.tasks, is_finite, strict=True) if not is_good]
