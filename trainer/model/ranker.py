"""The ranker: a network that trains itself, over its experts in use once gates are binary."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.batch_part import find_part, num_replicas
from trainer.config import TrainerConfig
from trainer.gates.importance import ImportanceMeasures
from trainer.loss.balance import make_loss_balance
from trainer.loss.gradients import GradientBalance
from trainer.loss.objective import TaskLosses, TaskObjectives
from trainer.model.expert_union import ExpertUnion
from trainer.model.extraction import find_use
from trainer.model.network import Batch, Network
from trainer.noise import noise_of_step


class Ranker(Network):
    """A network with its losses, its step, and what it knows of its gates.

    Args:
        config: features, tasks, gate, model, training.
        id_counts: rows of the embedding of each embedded feature.
        label_means: task -> mean label in training, where the output biases start.
    """

    def __init__(
        self,
        config: TrainerConfig,
        id_counts: Mapping[str, int],
        label_means: Mapping[str, float],
    ) -> None:
        super().__init__(config, id_counts)
        num_tasks = len(config.tasks)
        self.objectives = TaskObjectives(config.tasks)
        self.loss_balance = make_loss_balance(
            config.training.loss_balance, config.tasks, config.training.seed
        )
        self.gate_measures = (
            ImportanceMeasures(num_tasks, config.num_experts) if self.gate.per_example else None
        )
        self.label_means = dict(label_means)
        # What a step returns is of all replicas; Keras would add it up once more.
        self.distribute_reduction_method = "first"
        # Where each task's set of experts became final; -1 until then.
        self.converged_step = tf.Variable(
            tf.fill([num_tasks], tf.constant(-1, tf.int64)),
            trainable=False,
            name="converged_step",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def compute_loss(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """Weighted sum of the task losses + the gate's penalties + embedding penalties.

        One replica's share: a strategy adds the gradients of all replicas. The task losses are
        of its own examples; the penalties are the same for all, or have the same mean.
        """
        losses, penalty = self.task_losses(inputs, training)
        if not training:
            return losses.total
        total = losses.total if self.loss_balance is None else self.loss_balance(losses.tasks)
        return total + penalty

    def task_losses(self, inputs: Batch, training: bool) -> tuple[TaskLosses, tf.Tensor]:
        """One replica's share of each task's loss, and in training of all penalties."""
        output = self(inputs, training=training)
        losses = self.objectives(output.logits, inputs, training, output.example_weights)
        if self.gate_measures is not None and not training:
            self.gate_measures.update_state(output.gate_weights, find_part(inputs))
        if not training:
            return losses, tf.zeros([])
        penalties = [*output.penalties.values(), *self.losses, self.kernel_penalty()]
        return losses, tf.add_n(penalties) / num_replicas()

    def kernel_penalty(self) -> tf.Tensor:
        """`training.l2` times the sum of squares of all kernels."""
        l2 = self.config.training.l2
        kernels = [w for w in self._trained()[0] if "kernel" in w.name] if l2 else []
        return l2 * tf.add_n([tf.constant(0.0), *(tf.reduce_sum(tf.square(w)) for w in kernels)])

    # What AutoGraph would translate has no Python branch on a tensor, and that takes seconds.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, inputs: Batch) -> dict[str, Any]:
        """One step of the optimizer; notes the step at which a gate became binary."""
        variables, optimizer = self._trained()
        with noise_of_step(self.config.training.seed, optimizer.iterations):
            gradients = self._gradients(inputs, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        newly = self.gate.converged() & (self.converged_step < 0)
        step = tf.cast(self.optimizer.iterations, tf.int64)
        self.converged_step.assign(tf.where(newly, step, self.converged_step))
        return self.objectives.results(training=True)

    def _gradients(self, inputs: Batch, variables: list[tf.Variable]) -> list[Any]:
        """Of the objective, or what a balance of gradients makes of those of the tasks."""
        balance = self.loss_balance
        if not isinstance(balance, GradientBalance):
            with tf.GradientTape() as tape:
                loss = self.compute_loss(inputs, training=True)
            return list(tape.gradient(loss, variables))
        with tf.GradientTape(persistent=True) as tape:
            losses, penalty = self.task_losses(inputs, training=True)
        return balance.gradients(tape, losses.tasks, penalty, variables, self.shared_variables)

    def _trained(self) -> tuple[list[tf.Variable], tf.keras.optimizers.Optimizer]:
        """What a step changes, and the optimizer that changes it."""
        if self.union is not None:
            return self.union.variables, self.union.optimizer
        return self.trainable_variables, self.optimizer

    @property
    def can_narrow(self) -> bool:
        """Whether the gates are static and binary, and leave an expert to nobody."""
        # A variable of the training step: to read it costs less than to ask the gate.
        if self.gate.per_example or (self.converged_step.numpy() < 0).any():
            return False
        is_idle = any(len(used) < self.gate.num_experts for used in self.used_experts())
        return is_idle and bool(self.gate.converged().numpy().all())

    def used_experts(self) -> list[np.ndarray]:
        """The experts of each level that some task needs."""
        selected = [level.numpy() for level in self.gate.selected_by_level()]
        uses = find_use(selected, [self.owners] * len(selected), range(len(self.tasks)))
        return [use.experts for use in uses]

    def narrow(self, used: Sequence[np.ndarray] | None = None) -> None:
        """From the next step on, trains and validates by the experts in use only.

        Args:
            used: of each level; by default those that some task needs now.
        """
        used = self.used_experts() if used is None else used
        with self.distribute_strategy.scope():
            self.union = ExpertUnion(
                self.expert_levels, used, self.trainable_variables, self.optimizer
            )
        self._trace_again()

    def widen(self) -> None:
        """All experts again; what the union has learnt is theirs."""
        if self.union is not None:
            self.union.write_back()
            self.union = None
            self._trace_again()

    def _trace_again(self) -> None:
        self.make_train_function(force=True)
        self.make_test_function(force=True)

    @tf.autograph.experimental.do_not_convert
    def test_step(self, inputs: Batch) -> dict[str, Any]:
        """Losses and metrics over the whole validation split."""
        self.compute_loss(inputs, training=False)
        measures = self.gate_measures.result() if self.gate_measures is not None else {}
        return {**self.objectives.results(training=False), **measures}

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """What Keras resets at the start of each epoch and of each validation."""
        measures = [self.gate_measures] if self.gate_measures is not None else []
        return [*self.objectives.trackers, *measures]

    def set_output_biases(self) -> None:
        """Starts each head at the logit of its base rate, or at its mean label."""
        biases = [self.config.tasks[t].kind == "classification" for t in self.tasks]
        means = tf.constant([self.label_means[t] for t in self.tasks])
        if self.chains is not None:
            means = self.chains.own_rates(means)
        share = tf.clip_by_value(means, 1e-4, 1.0 - 1e-4)
        logits = tf.math.log(share) - tf.math.log1p(-share)
        start = tf.where(tf.constant(biases), logits, means)
        self.heads.bias.assign(tf.reshape(start, self.heads.bias.shape))
