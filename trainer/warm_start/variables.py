"""A ranker's weights by names that outlive their order, with what their axes are."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer.gates.base import Gate, TaskLogits
from trainer.gates.dselect_k import DSelectKGate
from trainer.gates.grouped import GroupedGate, ProgressiveGate
from trainer.loss.balance import UncertaintyBalance
from trainer.model.chains import TaskChains
from trainer.model.multi_hash import MultiHashEmbedding
from trainer.model.ranker import Ranker
from trainer.model.stacks import ParallelStack
from trainer.warm_start.axes import (
    BITS,
    EXPERTS,
    INPUTS,
    OWN_EXPERTS,
    READERS,
    SELECTORS,
    TASKS,
    UNITS,
    Words,
    rows_axis,
)

CODES = "codes"


class GateFacts(NamedTuple):
    """One of a ranker's gates.

    Attributes:
        gate: of it.
        rows: the axis of its tasks.
        experts: the axis of its experts.
    """

    gate: Gate
    rows: str
    experts: str

    def codes(self) -> np.ndarray | None:
        """The expert of each binary code, for a gate that has codes."""
        if not isinstance(self.gate, DSelectKGate):
            return None
        return self.gate.expert_of_codes().astype(np.int64)


class Named(NamedTuple):
    """A weight, or a part of one.

    Attributes:
        variable: of it.
        shape: as its axes are; the variable may have some of them in one.
        axes: the name of each.
        gate: the gate that it is of; empty if it is of none.
    """

    variable: tf.Variable
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    gate: str = ""

    @property
    def depends_on_experts(self) -> bool:
        """Whether it is of a gate, and its last axis says nothing without that gate's experts."""
        by_logit = self.axes[-1] in (EXPERTS, OWN_EXPERTS) and self.axes[0] != INPUTS
        return bool(self.gate) and (self.axes[-1] == BITS or by_logit)

    def value(self) -> np.ndarray:
        """As it is now."""
        value: np.ndarray = self.variable.numpy().reshape(self.shape)
        return value


def name_weights(ranker: Ranker, words: Words) -> dict[str, Named]:
    """Name -> each trained weight of a ranker that is built.

    Args:
        ranker: of any configuration.
        words: feature -> its vocabulary.
    """
    return dict([*_inputs(ranker, words), *_network(ranker), *_gates(ranker), *_others(ranker)])


def find_gates(ranker: Ranker) -> dict[str, GateFacts]:
    """Name -> each gate: one, or of several levels one of the tasks and one of shared experts."""
    gate = ranker.gate
    if isinstance(gate, ProgressiveGate):
        last = len(gate.task_gates) - 1
        levels = {
            ("gate" if i == last else f"gate_{i}"): GateFacts(level.inner, TASKS, OWN_EXPERTS)
            for i, level in enumerate(gate.task_gates)
        }
        shared = {
            f"gate_{i}_shared": GateFacts(level, READERS, EXPERTS)
            for i, level in enumerate(gate.shared_gates)
        }
        return levels | shared
    if isinstance(gate, GroupedGate):
        return {"gate": GateFacts(gate.inner, TASKS, OWN_EXPERTS)}
    return {"gate": GateFacts(gate, TASKS, EXPERTS)}


def _plain(variable: tf.Variable, *axes: str) -> Named:
    return Named(variable, tuple(variable.shape), axes)


def _rigid(name: str, layer: tf.keras.layers.Layer) -> Iterator[tuple[str, Named]]:
    """A dense layer that is carried over as a whole."""
    yield f"{name}/kernel", _plain(layer.kernel, UNITS, UNITS)
    if layer.use_bias:
        yield f"{name}/bias", _plain(layer.bias, UNITS)


def _inputs(ranker: Ranker, words: Words) -> Iterator[tuple[str, Named]]:
    inputs = ranker.feature_inputs
    for name, embedding in inputs.embeddings.items():
        feature, table = ranker.config.features[name], embedding.table
        if feature.words_of is None:
            whole = table.table if isinstance(table, MultiHashEmbedding) else table
            axis = rows_axis(name, feature, words)
            yield f"embedding/{name}", _plain(whole.embeddings, axis, UNITS)
    for name, attention in inputs.attentions.items():
        for part in ("of_target", "of_listed", "of_both", "score"):
            yield from _rigid(f"attention/{name}/{part}", getattr(attention, part))


def _network(ranker: Ranker) -> Iterator[tuple[str, Named]]:
    for i, cross in enumerate(ranker.crosses):
        kernel, bias = cross.trainable_variables
        yield f"cross_{i}/kernel", _plain(kernel, INPUTS, INPUTS)
        yield f"cross_{i}/bias", _plain(bias, INPUTS)
    for i, stack in enumerate(ranker.expert_levels):
        yield from _stack(f"experts_{i}", stack, EXPERTS, UNITS if i else INPUTS)
    yield from _stack("towers", ranker.towers, TASKS, UNITS)
    yield "heads/kernel", _plain(ranker.heads.kernel, TASKS, UNITS, UNITS)
    yield "heads/bias", _plain(ranker.heads.bias, TASKS, UNITS, UNITS)


def _stack(
    name: str, stack: ParallelStack, members: str, reads: str
) -> Iterator[tuple[str, Named]]:
    for i, layer in enumerate(stack.layers):
        below = UNITS if i else reads
        yield f"{name}/{i}/kernel", _plain(layer.kernel, members, below, UNITS)
        yield f"{name}/{i}/bias", _plain(layer.bias, members, UNITS, UNITS)


def _gates(ranker: Ranker) -> Iterator[tuple[str, Named]]:
    for name, facts in find_gates(ranker).items():
        own = {TASKS: facts.rows, EXPERTS: facts.experts}
        for logits in facts.gate.submodules:
            if not isinstance(logits, TaskLogits):
                continue
            axes = tuple(own.get(axis, axis) for axis in logits.axes)
            assert set(logits.axes) <= {TASKS, EXPERTS, SELECTORS, BITS}
            place, shape = f"{name}/{logits.name}", tuple(logits.tensor_shape)
            yield f"{place}/bias", Named(logits.bias, shape, axes, name)
            if logits.per_example:
                width = logits.kernel.shape[0]
                named = Named(logits.kernel, (width, *shape), (INPUTS, *axes), name)
                yield f"{place}/kernel", named


def _others(ranker: Ranker) -> Iterator[tuple[str, Named]]:
    if ranker.wide is not None:
        yield "wide/kernel", _plain(ranker.wide.dense.kernel, INPUTS, TASKS)
    if ranker.position is not None:
        yield "position/table", _plain(ranker.position.table.embeddings, "positions", TASKS)
    if isinstance(ranker.loss_balance, UncertaintyBalance):
        yield "loss_balance/log_variance", _plain(ranker.loss_balance.log_variance, TASKS)
    if ranker.chains is not None:
        yield from _chains(ranker, ranker.chains)


def _chains(ranker: Ranker, chains: TaskChains) -> Iterator[tuple[str, Named]]:
    for link in chains.links:
        if link.chain.kind == "aitm":
            transfer = chains.transfers[str(link.task)]
            place = f"chain/{ranker.tasks[link.task]}.{ranker.tasks[link.after]}"
            for part in ("message", "values", "keys", "queries"):
                yield from _rigid(f"{place}/{part}", getattr(transfer, part))
