"""What is added to the logits of the towers: a wide part, and where an item was shown."""

import tensorflow as tf

from trainer.model.options import PositionTower
from trainer.noise import hide


class WideLogit(tf.keras.layers.Layer):
    """A linear function of the inputs a task; it starts at 0.

    Args:
        num_tasks: T.
    """

    def __init__(self, num_tasks: int) -> None:
        super().__init__(name="wide")
        self.dense = tf.keras.layers.Dense(
            num_tasks, use_bias=False, kernel_initializer="zeros", name="dense"
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[B, d] -> [T, B]."""
        return tf.transpose(self.dense(inputs))


class PositionLogit(tf.keras.layers.Layer):
    """A logit a task and position; position 0 means unknown.

    Args:
        num_tasks: T.
        options: the number of positions and their dropout.
    """

    def __init__(self, num_tasks: int, options: PositionTower) -> None:
        super().__init__(name="position")
        self.options = options
        self.table = tf.keras.layers.Embedding(
            options.max_position + 1, num_tasks, embeddings_initializer="zeros", name="table"
        )

    def call(self, position: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B] int64 -> [T, B]."""
        position = tf.clip_by_value(tf.cast(position, tf.int64), 0, self.options.max_position)
        if training and self.options.dropout:
            position = hide(position, self.options.dropout)
        return tf.transpose(self.table(position))
