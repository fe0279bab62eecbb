"""The ranker: shared inputs, experts, one gate for all tasks, towers, one logit a task."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from trainer.batch_part import BatchPart, find_part, num_replicas
from trainer.config import TrainerConfig
from trainer.gates.importance import ImportanceMeasures
from trainer.gates.registry import make_gate
from trainer.loss.objective import TaskObjectives
from trainer.model.added_logits import PositionLogit, WideLogit
from trainer.model.expert_union import ExpertUnion
from trainer.model.inputs import FeatureInputs
from trainer.model.stacks import ParallelDense, ParallelStack
from transforms.examples import POSITION

Batch = Mapping[str, tf.Tensor]


class RankerOutput(NamedTuple):
    """One forward pass.

    Attributes:
        logits: [T, B]; a classification task's log-odds, a regression task's value.
        penalties: name -> scalar of the gate.
        gate_weights: [T, n], or [B, T, n] of a per-example gate.
        example_weights: what each loss counts, [B, T], or None if the gate does not say.
    """

    logits: tf.Tensor
    penalties: dict[str, tf.Tensor]
    gate_weights: tf.Tensor
    example_weights: tf.Tensor | None


class Ranker(tfrs.Model):
    """A multi-gate mixture-of-experts ranker.

    inputs [B, d] -> cross layers -> experts [n, B, e] -> mixed by the gate's weights:
    [T, B, e] -> towers [T, B, u] -> logits [T, B]. A wide part adds a linear function of the
    inputs, a position tower a logit that depends on the position only.

    Args:
        config: features, tasks, gate, model, training.
        id_counts: rows of the embedding of each embedded feature.
        label_means: task -> mean label in training, where the output biases start.

    Reference: METHODS section 1; Ma et al., KDD 2018; Zhao et al., RecSys 2019.
    """

    def __init__(
        self,
        config: TrainerConfig,
        id_counts: Mapping[str, int],
        label_means: Mapping[str, float],
    ) -> None:
        super().__init__(name="ranker")
        self.config = config
        self.tasks = tuple(config.tasks)
        model, num_tasks = config.model, len(config.tasks)
        self.feature_inputs = FeatureInputs(
            config.features, id_counts, model, config.training.embedding_l2
        )
        self.input_dropout = tf.keras.layers.Dropout(model.input_dropout)
        self.crosses = [tfrs.layers.dcn.Cross(name=f"cross_{i}") for i in range(model.cross_layers)]
        self.experts = ParallelStack(
            config.num_experts, config.expert_units, model.expert_dropout, "experts"
        )
        self.gate = make_gate(num_tasks, config.num_experts, config.gate)
        self.towers = ParallelStack(num_tasks, model.tower_units, model.tower_dropout, "towers")
        self.heads = ParallelDense(num_tasks, 1, None, "heads")
        self.wide = WideLogit(num_tasks) if model.wide else None
        self.position = PositionLogit(num_tasks, model.position) if model.position else None
        self.union: ExpertUnion | None = None
        self.objectives = TaskObjectives(config.tasks)
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

    def call(self, batch: Batch, training: bool = False) -> RankerOutput:
        """Transformed features [B, ...] by name -> logits [T, B] and penalties."""
        part = find_part(batch)
        hidden = self.feature_inputs(batch, training=training, part=part)  # [B, d]
        position = batch[POSITION] if self.position else None
        return self.from_inputs(hidden, position, training, part)

    def from_inputs(
        self,
        inputs: tf.Tensor,
        position: tf.Tensor | None,
        training: bool = False,
        part: BatchPart | None = None,
    ) -> RankerOutput:
        """From the concatenated inputs [B, d], and the positions [B], to the logits."""
        hidden = self.input_dropout(self.cross(inputs), training=training)
        about_examples = {"part": part} if self.gate.per_example else {}
        gate = self.gate(hidden, training=training, **about_examples)
        mixed = self._mix(hidden, gate.weights, training)  # [T, B, e]
        towers = self.towers(mixed, training=training)  # [T, B, u]
        logits = tf.squeeze(self.heads(towers), -1)  # [T, B]
        if self.wide is not None:
            logits += self.wide(inputs)
        if self.position is not None and position is not None:
            logits += self.position(position, training=training)
        return RankerOutput(logits, gate.penalties, gate.weights, gate.example_weights)

    def _mix(self, hidden: tf.Tensor, weights: tf.Tensor, training: bool) -> tf.Tensor:
        """[B, d] and the gate's weights -> each task's mixture of the experts, [T, B, e]."""
        stack = self.experts
        if self.union is not None:
            stack, weights = self.union.experts, tf.gather(weights, self.union.indices, axis=-1)
        experts = stack(hidden, training=training)  # [n or u, B, e]
        equation = "btn,nbe->tbe" if self.gate.per_example else "tn,nbe->tbe"
        return tf.einsum(equation, tf.cast(weights, experts.dtype), experts)

    def cross(self, inputs: tf.Tensor) -> tf.Tensor:
        """DCN-v2: x_{l+1} = x_0 * (W x_l + b) + x_l."""
        hidden = inputs
        for layer in self.crosses:
            hidden = layer(inputs, hidden)
        return hidden

    def compute_loss(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """Weighted sum of the task losses + the gate's penalties + embedding penalties.

        One replica's share: a strategy adds the gradients of all replicas. The task losses are
        of its own examples; the penalties are the same for all, or have the same mean.
        """
        output = self(inputs, training=training)
        loss = self.objectives(output.logits, inputs, training, output.example_weights)
        if self.gate_measures is not None and not training:
            self.gate_measures.update_state(output.gate_weights, find_part(inputs))
        if training:
            penalties = [*output.penalties.values(), *self.losses, self.kernel_penalty()]
            loss += tf.add_n(penalties) / num_replicas()
        return loss

    def kernel_penalty(self) -> tf.Tensor:
        """`training.l2` times the sum of squares of all kernels."""
        l2 = self.config.training.l2
        kernels = [w for w in self._trained()[0] if "kernel" in w.name] if l2 else []
        return l2 * tf.add_n([tf.constant(0.0), *(tf.reduce_sum(tf.square(w)) for w in kernels)])

    def train_step(self, inputs: Batch) -> dict[str, Any]:
        """One step of the optimizer; notes the step at which a gate became binary."""
        with tf.GradientTape() as tape:
            loss = self.compute_loss(inputs, training=True)
        variables, optimizer = self._trained()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        newly = self.gate.converged() & (self.converged_step < 0)
        step = tf.cast(self.optimizer.iterations, tf.int64)
        self.converged_step.assign(tf.where(newly, step, self.converged_step))
        return self.objectives.results(training=True)

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
        is_idle = not self.gate.selected().numpy().any(axis=0).all()
        return bool(is_idle and self.gate.converged().numpy().all())

    def narrow(self) -> None:
        """From the next step on, trains and validates by the experts in use only."""
        used = np.flatnonzero(self.gate.selected().numpy().any(axis=0))
        with self.distribute_strategy.scope():
            self.union = ExpertUnion(self.experts, used, self.trainable_variables, self.optimizer)
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
        share = tf.clip_by_value(means, 1e-4, 1.0 - 1e-4)
        logits = tf.math.log(share) - tf.math.log1p(-share)
        start = tf.where(tf.constant(biases), logits, means)
        self.heads.bias.assign(tf.reshape(start, self.heads.bias.shape))
