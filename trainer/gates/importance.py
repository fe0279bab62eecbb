"""Importance: how the examples of a step or split spread over the experts.

Importance of expert i for a task: I_i = sum_x w_i(x) over the examples x.
"""

import tensorflow as tf

from trainer.batch_part import BatchPart, sum_over_part

_EPSILON = 1e-10
# Of a fair share; an expert with less is dead.
_LIVING_SHARE = 0.01


def squared_variation(importance: tf.Tensor) -> tf.Tensor:
    """CV^2 = Var(I) / (Mean(I)^2 + 1e-10).

    Args:
        importance: I, [..., n].

    Returns:
        [...].

    Example:
        >>> float(squared_variation(tf.constant([1.0, 3.0])))
        0.25
    """
    mean = tf.reduce_mean(importance, axis=-1)
    return tf.math.reduce_variance(importance, axis=-1) / (tf.square(mean) + _EPSILON)


def divergence_from_uniform(importance: tf.Tensor) -> tf.Tensor:
    """KL = sum_i P_i log(n P_i), P = I / sum(I), with 0 log 0 = 0.

    Args:
        importance: I, [..., n].

    Returns:
        [...]; in [0, log n].

    Example:
        >>> divergence_from_uniform(tf.constant([1.0, 1.0])).numpy().tolist()
        0.0
    """
    num_experts = tf.cast(tf.shape(importance)[-1], importance.dtype)
    total = tf.reduce_sum(importance, axis=-1, keepdims=True)
    shares = tf.math.divide_no_nan(importance, total)
    positive = shares > 0.0
    logs = tf.math.log(tf.where(positive, num_experts * shares, tf.ones_like(shares)))
    return tf.reduce_sum(shares * logs, axis=-1)


def living_experts(importance: tf.Tensor) -> tf.Tensor:
    """How many experts have at least a hundredth of a fair share of the importance.

    Args:
        importance: I, [..., n].

    Returns:
        [...], int32.

    Example:
        >>> int(living_experts(tf.constant([5.0, 1.0, 0.0])))
        2
    """
    fair = tf.reduce_mean(importance, axis=-1, keepdims=True)
    return tf.reduce_sum(tf.cast(importance > _LIVING_SHARE * fair, tf.int32), axis=-1)


class ImportanceMeasures(tf.keras.metrics.Metric):
    """How a per-example gate uses its experts over a whole split.

    The result is, each averaged over tasks, `living_experts` and `importance_cv`, the
    coefficient of variation of the importance.

    Args:
        num_tasks: T.
        num_experts: n.
    """

    def __init__(self, num_tasks: int, num_experts: int) -> None:
        super().__init__("gate_importance", dtype=tf.float32)
        self.importance = self.add_weight(
            "importance", shape=(num_tasks, num_experts), initializer="zeros"
        )

    def update_state(self, weights: tf.Tensor, part: BatchPart | None = None) -> None:
        """Adds the weights [B, T, n] of a replica's part of a batch."""
        self.importance.assign_add(sum_over_part(tf.cast(weights, self.dtype), part))

    def reset_state(self) -> None:
        """Forgets all examples."""
        self.importance.assign(tf.zeros_like(self.importance))

    def shares(self) -> tf.Tensor:
        """[T, n]: each expert's share of the importance; 0 before the first example."""
        importance = tf.convert_to_tensor(self.importance)
        return tf.math.divide_no_nan(importance, tf.reduce_sum(importance, axis=-1, keepdims=True))

    def result(self) -> dict[str, tf.Tensor]:
        """Name -> scalar."""
        importance = tf.convert_to_tensor(self.importance)
        living = tf.cast(living_experts(importance), self.dtype)
        variation = tf.sqrt(squared_variation(importance))
        return {
            "living_experts": tf.reduce_mean(living),
            "importance_cv": tf.reduce_mean(variation),
        }
