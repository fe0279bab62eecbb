"""The optimizers that `training.optimizer` names."""

from typing import Any

import tensorflow as tf

from trainer.config import Training


class LazyAdam(tf.keras.optimizers.Adam):
    """Adam that leaves alone those rows of a large table that a batch does not look up.

    Keras' Adam decays the moments of every row at every step: exact, but a pass over a table
    of ten million rows, and as much memory again. Here, a row's moments stand still until it
    is looked up again. Tables with fewer rows, and all other variables, are updated by Adam.

    Args:
        learning_rate: a number or a schedule.
        lazy_rows: of how many rows on a table is large.
        options: of Keras' Adam.

    Example:
        >>> LazyAdam(0.001, lazy_rows=1_000_000).lazy_rows
        1000000

    Reference: Kingma and Ba, ICLR 2015, with the sparse update of the lazy Adam that
    TensorFlow's contributed optimizers had.
    """

    def __init__(self, learning_rate: Any = 0.001, lazy_rows: int = 1, **options: Any) -> None:
        options.setdefault("name", "LazyAdam")
        super().__init__(learning_rate, **options)
        self.lazy_rows = lazy_rows

    def update_step(self, gradient: Any, variable: tf.Variable) -> None:
        """Updates the rows that a sparse gradient has, or else all."""
        is_large = len(variable.shape) > 1 and variable.shape[0] >= self.lazy_rows
        if not isinstance(gradient, tf.IndexedSlices) or not is_large:
            super().update_step(gradient, variable)
            return
        index = self._index_dict[self._var_key(variable)]
        step = tf.cast(self.iterations + 1, variable.dtype)
        rate = tf.cast(self.learning_rate, variable.dtype)
        rate = rate * tf.sqrt(1.0 - tf.pow(self.beta_2, step)) / (1.0 - tf.pow(self.beta_1, step))
        slope = gradient.values  # [rows, dim]; Keras has added up the rows named twice
        m = self._move(self._momentums[index], gradient, slope, self.beta_1)
        v = self._move(self._velocities[index], gradient, tf.square(slope), self.beta_2)
        change = rate * m / (tf.sqrt(v) + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(change, gradient.indices))

    @staticmethod
    def _move(
        moment: tf.Variable, gradient: tf.IndexedSlices, value: tf.Tensor, beta: float
    ) -> tf.Tensor:
        """Moves the moments of the gradient's rows; gives them, [rows, dim]."""
        moved = beta * tf.gather(moment, gradient.indices) + (1.0 - beta) * value
        moment.scatter_update(tf.IndexedSlices(moved, gradient.indices))
        return moved

    def get_config(self) -> dict[str, Any]:
        """For `from_config`."""
        return {**super().get_config(), "lazy_rows": self.lazy_rows}


def make_optimizer(training: Training, epoch_steps: int) -> tf.keras.optimizers.Optimizer:
    """The optimizer of a training.

    Args:
        training: the YAML's section.
        epoch_steps: batches of an epoch, for the fall of the learning rate.
    """
    rate = training.learning_rate
    if training.final_learning_rate < 1.0:
        rate = tf.keras.optimizers.schedules.CosineDecay(
            rate, epoch_steps * training.max_epochs, alpha=training.final_learning_rate
        )
    if training.optimizer == "adam":
        return LazyAdam(rate, training.lazy_rows)
    # Adagrad touches only rows that are looked up as it is.
    kinds = {"adagrad": tf.keras.optimizers.Adagrad, "sgd": tf.keras.optimizers.SGD}
    return kinds[training.optimizer](rate)
