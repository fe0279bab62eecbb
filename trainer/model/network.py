"""The network: shared inputs, experts, one gate for all tasks, towers, one logit a task."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf
import tensorflow_recommenders as tfrs

from trainer.batch_part import BatchPart, find_part
from trainer.config import TrainerConfig
from trainer.gates.base import GateOutput
from trainer.gates.grouped import find_owners, make_grouped_gate
from trainer.model.added_logits import PositionLogit, WideLogit
from trainer.model.chains import TaskChains, has_chains
from trainer.model.expert_union import ExpertUnion
from trainer.model.extraction import RunExperts, mix_experts, run_all
from trainer.model.inputs import FeatureInputs
from trainer.model.stacks import ParallelDense, ParallelStack
from trainer.noise import Dropout
from transforms.examples import POSITION

Batch = Mapping[str, tf.Tensor]


class RankerOutput(NamedTuple):
    """One forward pass.

    Attributes:
        logits: [T, B]; a classification task's log-odds, a regression task's value.
        penalties: name -> scalar of the gate, and of chains.
        gate_weights: [T, n], or [B, T, n] of a per-example gate.
        example_weights: what each loss counts, [B, T], or None if the gate does not say.
    """

    logits: tf.Tensor
    penalties: dict[str, tf.Tensor]
    gate_weights: tf.Tensor
    example_weights: tf.Tensor | None


class Network(tfrs.Model):
    """A multi-gate mixture-of-experts network.

    inputs [B, d] -> cross layers -> experts [n, B, e] -> mixed by the gate's weights:
    [T, B, e] -> towers [T, B, u] -> logits [T, B]. A wide part adds a linear function of the
    inputs, a position tower a logit that depends on the position only. Chains let a task
    read another's tower, or multiply its probability. Experts may be of several levels, and
    some of them a task's own.

    Args:
        config: features, tasks, gate, model, training.
        id_counts: rows of the embedding of each embedded feature.

    Reference: METHODS section 1; Ma et al., KDD 2018; Tang et al., RecSys 2020.
    """

    def __init__(self, config: TrainerConfig, id_counts: Mapping[str, int]) -> None:
        super().__init__(name="ranker")
        self.config = config
        self.tasks = tuple(config.tasks)
        model, num_tasks = config.model, len(config.tasks)
        shared, own = config.num_shared, config.num_own
        levels = model.extraction_levels if own else 1
        self.feature_inputs = FeatureInputs(
            config.features, id_counts, model, config.training.embedding_l2
        )
        self.input_dropout = Dropout(model.input_dropout)
        self.crosses = [tfrs.layers.dcn.Cross(name=f"cross_{i}") for i in range(model.cross_layers)]
        self.lower_experts = [self._make_experts(f"experts_{i}") for i in range(levels - 1)]
        self.experts = self._make_experts("experts")
        self.owners = find_owners(num_tasks, shared, own)
        self.gate = make_grouped_gate(num_tasks, shared, own, levels, config.gate)
        self.towers = ParallelStack(num_tasks, model.tower_units, model.tower_dropout, "towers")
        self.chains = TaskChains(config.tasks) if has_chains(config.tasks) else None
        self.heads = ParallelDense(num_tasks, 1, None, "heads")
        self.wide = WideLogit(num_tasks) if model.wide else None
        self.position = PositionLogit(num_tasks, model.position) if model.position else None
        self.union: ExpertUnion | None = None

    def _make_experts(self, name: str) -> ParallelStack:
        config = self.config
        return ParallelStack(
            config.num_experts, config.expert_units, config.model.expert_dropout, name
        )

    @property
    def expert_levels(self) -> list[ParallelStack]:
        """The experts of each level, first to last."""
        return [*self.lower_experts, self.experts]

    def expert_owners(self) -> list[str | None]:
        """The task that each expert of a level is for; None where all share it."""
        names = (*self.tasks, None)
        return [names[owner] for owner in self.owners]

    @property
    def shared_variables(self) -> list[tf.Variable]:
        """Of the parts that no task has for itself: inputs, cross layers, experts."""
        levels = [level.experts for level in self.union.levels] if self.union else None
        layers = [self.feature_inputs, *self.crosses, *(levels or self.expert_levels)]
        return [variable for layer in layers for variable in layer.trainable_variables]

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
        run: RunExperts = run_all,
    ) -> RankerOutput:
        """From the concatenated inputs [B, d], and the positions [B], to the logits."""
        hidden = self.input_dropout(self.cross(inputs), training=training)
        about_examples = {"part": part} if self.gate.per_example else {}
        gate: GateOutput = self.gate(hidden, training=training, **about_examples)
        mixed = mix_experts(
            hidden, gate, self.expert_levels, self.owners, self.union, training, run
        )  # [T, B, e]
        towers = self.towers(mixed, training=training)  # [T, B, u]
        every_task = range(len(self.tasks))
        if self.chains is not None:
            towers = self.chains(towers, every_task)
        logits = tf.squeeze(self.heads(towers), -1)  # [T, B]
        if self.wide is not None:
            logits += self.wide(inputs)
        if self.position is not None and position is not None:
            logits += self.position(position, training=training)
        penalties = gate.penalties
        if self.chains is not None:
            logits = self.chains.join(logits, every_task)
            penalties = penalties | self.chains.penalties(logits, part)
        return RankerOutput(logits, penalties, gate.weights, gate.example_weights)

    def cross(self, inputs: tf.Tensor) -> tf.Tensor:
        """DCN-v2: x_{l+1} = x_0 * (W x_l + b) + x_l."""
        hidden = inputs
        for layer in self.crosses:
            hidden = layer(inputs, hidden)
        return hidden
