"""GradNorm: weights of the losses that make the tasks' gradients alike."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.gates.state import add_state
from trainer.loss.gradients import GradientBalance, inner_products, task_gradients
from trainer.loss.options import GradNormOptions

# The last shared layer: its kernel and its bias.
_LAST_LAYER = 2
_LEAST_WEIGHT = 1e-3


class GradNorm(GradientBalance):
    """The objective is sum_t w_t L_t; after each step w goes down the slope of

        sum_t | w_t g_t - m r_t^alpha |,  g_t = norm of the gradient of L_t,  m = mean of w_t g_t,

    where r_t is L_t / L_t at the start, over the mean of that over tasks: a task that has
    learnt less gets more. The right side counts as a constant, the slope as a share of m, so
    that the rate fits losses of any scale. Every w starts at 1, their sum stays T.

    The gradients are those by the last shared layer, that of the experts: this costs one way
    back through the towers a task. L_t has the task's `weight` in it, which is where GradNorm
    starts, not what it keeps.

    Args:
        num_tasks: T.
        options: alpha and the rate.

    Reference: Chen et al., ICML 2018, arXiv 1711.02257.
    """

    def __init__(self, num_tasks: int, options: GradNormOptions) -> None:
        super().__init__(name="loss_balance")
        self.options = options
        self.shift = add_state(self, "shift", (num_tasks,))
        self.start = add_state(self, "start", (num_tasks,))

    @property
    def task_weights(self) -> tf.Tensor:
        """w, [T]."""
        # State starts at 0, weights at 1.
        return 1.0 + self.shift

    def gradients(
        self,
        tape: tf.GradientTape,
        losses: Sequence[tf.Tensor],
        penalty: tf.Tensor,
        variables: Sequence[tf.Variable],
        shared: Sequence[tf.Variable],
    ) -> list[Any]:
        """Of sum_t w_t L_t and the penalty; then w is brought up to date."""
        weights = self.task_weights
        factors = [*tf.unstack(weights), tf.ones_like(penalty)]
        found = tape.gradient([*losses, penalty], variables, output_gradients=factors)
        by_task = task_gradients(tape, losses, shared[-_LAST_LAYER:])
        norms = tf.sqrt(tf.linalg.diag_part(inner_products(by_task)))  # [T]
        self.advance(_of_all_replicas(tf.stack(losses)), norms)
        return list(found)

    def advance(self, losses: tf.Tensor, norms: tf.Tensor) -> None:
        """One step of the weights.

        Args:
            losses: L, [T].
            norms: g, [T].
        """
        weights, tasks = self.task_weights, tf.cast(tf.size(norms), norms.dtype)
        self.start.assign(tf.where(self.start > 0.0, self.start, losses))
        # A task without a label so far has learnt as little as it could.
        left = tf.where(self.start > 0.0, tf.math.divide_no_nan(losses, self.start), 1.0)
        pace = left / tf.reduce_mean(left)
        mean = tf.reduce_mean(weights * norms)
        gap = weights * norms - mean * pace**self.options.asymmetry
        slope = tf.math.divide_no_nan(tf.sign(gap) * norms, mean)
        moved = tf.maximum(weights - self.options.learning_rate * slope, _LEAST_WEIGHT)
        self.shift.assign(moved * tasks / tf.reduce_sum(moved) - 1.0)


def _of_all_replicas(losses: tf.Tensor) -> tf.Tensor:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return losses
    return context.all_reduce("SUM", losses)
