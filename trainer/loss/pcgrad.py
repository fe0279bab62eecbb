"""PCGrad: a task's gradient loses what would undo another task's."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.gates.state import add_state
from trainer.loss.gradients import GradientBalance, inner_products, task_gradients


def project_conflicting(products: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """g_i' = g_i - sum over the j in conflict, one after another, of <g_i', g_j> / |g_j|^2 g_j.

    Nothing but inner products is needed: g_i' is a sum of the gradients, and what is found is
    how much of each it has.

    Args:
        products: <g_i, g_j>, [T, T].
        order: in which task i meets the others, [T, T]; itself is passed over.

    Returns:
        C with g_i' = sum_j C_ij g_j, [T, T]: the identity where nothing conflicts.

    Example:
        >>> products = tf.constant([[1.0, -1.0], [-1.0, 2.0]])
        >>> project_conflicting(products, tf.constant([[0, 1], [0, 1]])).numpy()
        array([[1. , 0.5],
               [1. , 1. ]], dtype=float32)
    """
    tasks = products.shape[0]
    mixed, squares = tf.eye(tasks, dtype=products.dtype), tf.linalg.diag_part(products)
    for other in tf.unstack(order, num=tasks, axis=1):  # [T]: whom each task meets
        overlap = tf.reduce_sum(mixed * tf.gather(products, other), axis=1)  # <g_i', g_j>
        conflicts = (overlap < 0.0) & (other != tf.range(tasks, dtype=other.dtype))
        share = tf.math.divide_no_nan(overlap, tf.gather(squares, other))
        share = tf.where(conflicts, share, tf.zeros_like(share))
        mixed -= share[:, tf.newaxis] * tf.one_hot(other, tasks, dtype=mixed.dtype)
    return mixed


class ProjectConflicting(GradientBalance):
    """The step of the shared variables is sum_i g_i', of `project_conflicting`.

    The gradients are those by all variables that no task has for itself: a way back through
    the network for each task. What a task has for itself learns from its own loss, as ever;
    penalties are no task and conflict with none. The order in which a task meets the others
    is drawn anew each step, from the seed and the step alone.

    Args:
        seed: of the order.

    Reference: Yu et al., NeurIPS 2020, arXiv 2001.06782.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(name="loss_balance")
        self.seed = seed
        self.step = add_state(self, "step", dtype=tf.int64)

    def gradients(
        self,
        tape: tf.GradientTape,
        losses: Sequence[tf.Tensor],
        penalty: tf.Tensor,
        variables: Sequence[tf.Variable],
        shared: Sequence[tf.Variable],
    ) -> list[Any]:
        """Of the projected losses by shared variables, of the losses as they are by others."""
        products = inner_products(task_gradients(tape, losses, shared))
        mixed = project_conflicting(products, self._draw_order(len(losses)))
        factors = [*tf.unstack(tf.reduce_sum(mixed, axis=0)), tf.ones_like(penalty)]
        names = {variable.ref() for variable in shared}
        others = [variable for variable in variables if variable.ref() not in names]
        targets = [*losses, penalty]
        found = dict(
            zip(
                (variable.ref() for variable in [*shared, *others]),
                [
                    *tape.gradient(targets, shared, output_gradients=factors),
                    *tape.gradient(targets, others),
                ],
                strict=True,
            )
        )
        return [found[variable.ref()] for variable in variables]

    def _draw_order(self, tasks: int) -> tf.Tensor:
        seed = tf.stack([tf.constant(self.seed, tf.int64), self.step])
        order = tf.argsort(tf.random.stateless_uniform([tasks, tasks], seed), axis=1)
        self.step.assign_add(1)
        return order
