"""The tasks' losses and metrics, through tensorflow-recommenders' ranking task."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_recommenders as tfrs

from trainer.batch_part import find_part, whole_part
from trainer.loss.mean_losses import MeanLosses
from transforms.examples import label_name, weight_name
from transforms.tasks import Task, Tasks


class TaskLosses(NamedTuple):
    """One replica's share of the losses of a batch.

    Attributes:
        tasks: each multiplied with the task's weight.
        total: their sum.
    """

    tasks: list[tf.Tensor]
    total: tf.Tensor


class TaskObjectives(tf.keras.layers.Layer):
    """sum over tasks of weight_t * sum_b w_tb * loss_tb / B, b over one replica's examples.

    Cross-entropy for classification, squared error for regression. B counts the examples of
    all replicas, so that the sum over the replicas is the loss of the batch. A masked example
    has w = 0 and counts in B, so that a task's share of the gradient does not depend on how
    the batch was cut.

    Args:
        tasks: the YAML's tasks.
    """

    def __init__(self, tasks: Tasks) -> None:
        super().__init__(name="objectives")
        self.specs = dict(tasks)
        self.tasks = {name: _ranking_task(name, task) for name, task in tasks.items()}
        self.total = MeanLosses(tuple(tasks))

    def call(
        self,
        logits: tf.Tensor,
        batch: Mapping[str, tf.Tensor],
        training: bool,
        example_weights: tf.Tensor | None = None,
    ) -> TaskLosses:
        """Logits [T, B], the batch's labels and weights, the gate's [B, T] -> the replica's share.

        Metrics are updated in validation only: an AUC a step would slow training down.
        """
        part = find_part(batch) or whole_part(tf.shape(logits)[1])
        size = tf.cast(part.total, logits.dtype)
        losses = []
        for i, (name, spec) in enumerate(self.specs.items()):
            weights = batch[weight_name(name)]
            if example_weights is not None:
                weights *= example_weights[:, i]
            loss = self.tasks[name](
                batch[label_name(name)][:, tf.newaxis],
                logits[i][:, tf.newaxis],
                sample_weight=weights[:, tf.newaxis],
                compute_metrics=not training,
            )
            losses.append(spec.weight * loss / size)
        here = tf.reduce_sum(tf.cast(part.present, logits.dtype))
        self.total.update_state(tf.stack(losses) * size, here)
        return TaskLosses(losses, tf.add_n(losses))

    @property
    def trackers(self) -> list[tf.keras.metrics.Metric]:
        """All metrics that hold state."""
        return [self.total, *(metric for task in self.tasks.values() for metric in task.metrics)]

    def results(self, training: bool) -> dict[str, Any]:
        """Name -> value so far: `loss`, and in validation `<task>_auc` or `<task>_rmse`."""
        shown = [self.total] if training else self.trackers
        return {metric.name: metric.result() for metric in shown}


def _ranking_task(name: str, task: Task) -> tfrs.tasks.Ranking:
    if task.kind == "classification":
        loss = tf.keras.losses.BinaryCrossentropy(
            from_logits=True, reduction=tf.keras.losses.Reduction.SUM
        )
        metric = tf.keras.metrics.AUC(name=f"{name}_auc", from_logits=True)
    else:
        loss = tf.keras.losses.MeanSquaredError(reduction=tf.keras.losses.Reduction.SUM)
        metric = tf.keras.metrics.RootMeanSquaredError(name=f"{name}_rmse")
    return tfrs.tasks.Ranking(loss=loss, metrics=[metric], name=name)
