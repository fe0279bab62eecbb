"""How the tasks' losses are added up: by fixed weights, or by weights that training finds."""

from collections.abc import Sequence

import tensorflow as tf

from trainer.batch_part import num_replicas
from trainer.loss.gradients import GradientBalance
from trainer.loss.gradnorm import GradNorm
from trainer.loss.options import GradNormOptions, LossBalanceSection, UncertaintyOptions
from trainer.loss.pcgrad import ProjectConflicting
from transforms.tasks import Tasks


class UncertaintyBalance(tf.keras.layers.Layer):
    """sum_t [ c_t exp(-s_t) weight_t L_t + weight_t s_t / 2 ], s_t = log sigma_t^2 trained.

    The negative log likelihood of labels with noise of the variance sigma_t^2: c_t is 1/2
    for a squared error and 1 for a cross-entropy. At the optimum exp(s_t) = 2 c_t L_t, so
    that a regression's sigma^2 is its mean squared error, and each loss counts the inverse
    of its size. Every s_t starts at 0.

    Args:
        tasks: the YAML's tasks.

    Reference: Kendall, Gal, Cipolla, CVPR 2018, arXiv 1705.07115.
    """

    def __init__(self, tasks: Tasks) -> None:
        super().__init__(name="loss_balance")
        self.task_weights = [task.weight for task in tasks.values()]
        self.factors = [1.0 if t.kind == "classification" else 0.5 for t in tasks.values()]
        self.log_variance = self.add_weight(
            "log_variance", shape=(len(self.factors),), initializer="zeros"
        )

    def call(self, losses: Sequence[tf.Tensor]) -> tf.Tensor:
        """One replica's share of weight_t L_t of each task -> its share of the objective."""
        scaled = tf.stack(losses) * self.factors * tf.exp(-self.log_variance)
        prior = 0.5 * self.log_variance * self.task_weights
        return tf.reduce_sum(scaled) + tf.reduce_sum(prior) / num_replicas()


def make_loss_balance(
    options: LossBalanceSection, tasks: Tasks, seed: int
) -> UncertaintyBalance | GradientBalance | None:
    """What the YAML asks for; None for fixed weights.

    Args:
        options: the `training.loss_balance` section.
        tasks: the YAML's tasks.
        seed: of what is drawn.
    """
    if isinstance(options, UncertaintyOptions):
        return UncertaintyBalance(tasks)
    if isinstance(options, GradNormOptions):
        return GradNorm(len(tasks), options)
    return ProjectConflicting(seed) if options.kind == "pcgrad" else None
