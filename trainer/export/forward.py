"""The two ways through a trained ranker at serving: all experts, or the union only."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from trainer.model.extraction import LevelUse, find_use
from trainer.model.ranker import Ranker
from trainer.model.stacks import Activation, ParallelStack, apply_parallel, mix


class Forward(Protocol):
    """From the concatenated inputs to the logits of some tasks."""

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B] -> [len(tasks), B]."""


class FullForward(tf.Module):
    """Every expert is computed, as in training.

    Args:
        ranker: the trained model.
    """

    def __init__(self, ranker: Ranker) -> None:
        super().__init__(name="full")
        # Not the layers: Keras would save each with its training, which may ask the host.
        self.weights = ranker.weights
        self._from_inputs = ranker.from_inputs

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B] -> [len(tasks), B]."""
        return tf.gather(self._from_inputs(inputs, position).logits, tasks)


class PrunedLevel(tf.Module):
    """The experts of a level that some task needs.

    Args:
        stack: all n experts.
        weights: of the gate, [rows, n].
        used: the places of those that stay.
        owners: whose each expert is, [n].
        name: of the kernels.
    """

    def __init__(
        self,
        stack: ParallelStack,
        weights: np.ndarray,
        used: np.ndarray,
        owners: np.ndarray,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.weights = weights[:, used]
        self.owners = owners[used]
        self.layers = [_keep(layer, used, f"{name}_{i}") for i, layer in enumerate(stack.layers)]

    def __call__(self, hidden: tf.Tensor, below: np.ndarray | None, use: LevelUse) -> tf.Tensor:
        """[B, d], or of the rows below [r, B, d] -> [rows, B, e] by the experts in use only."""
        if below is not None:
            hidden = tf.gather(hidden, np.searchsorted(below, self.owners[use.experts]))
        for kernel, bias in self.layers:
            hidden = _apply(hidden, kernel, bias, use.experts, tf.nn.relu)  # [u, B, e]
        return mix(tf.constant(self.weights[np.ix_(use.rows, use.experts)]), hidden)


class PrunedForward(tf.Module):
    """Only the experts are computed that a served task uses; the others are not even stored.

    Args:
        ranker: the trained model; its gate is static.
    """

    def __init__(self, ranker: Ranker) -> None:
        super().__init__(name="pruned")
        output = ranker.gate(tf.zeros([1, 1]))
        weights = [w.numpy() for w in (*output.lower, output.weights)]  # each [.., n]
        every_task = np.arange(len(ranker.tasks))
        owners = [ranker.owners] * len(weights)
        uses = find_use([w > 0 for w in weights], owners, every_task)
        levels = zip(ranker.expert_levels, weights, uses, strict=True)
        self.levels = [
            PrunedLevel(stack, w, use.experts, ranker.owners, "expert" + i * "_below")
            for i, (stack, w, use) in enumerate(levels)
        ]
        self.crosses = ranker.crosses
        self.chains = ranker.chains
        self.position = ranker.position
        self.wide = ranker.wide
        self.towers = [
            _keep(layer, every_task, f"tower_{i}") for i, layer in enumerate(ranker.towers.layers)
        ]
        self.heads = _keep(ranker.heads, every_task, "heads")

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B] -> [len(tasks), B]."""
        rows = np.asarray(self.chains.with_earlier(tasks) if self.chains else tasks)
        hidden = inputs
        for cross in self.crosses:
            hidden = cross(inputs, hidden)
        hidden = self._extract(hidden, rows)  # [t, B, e]
        for kernel, bias in self.towers:
            hidden = _apply(hidden, kernel, bias, rows, tf.nn.relu)
        if self.chains is not None:
            hidden = self.chains(hidden, rows.tolist())
        logits = tf.squeeze(_apply(hidden, *self.heads, rows, tf.identity), -1)  # [t, B]
        if self.wide is not None:
            logits += tf.gather(self.wide(inputs), rows)
        if self.position is not None:
            logits += tf.gather(self.position(position), rows)
        if self.chains is None:
            return logits
        joined = self.chains.join(logits, rows.tolist())
        return tf.gather(joined, np.searchsorted(rows, np.asarray(tasks)))

    def _extract(self, hidden: tf.Tensor, rows: np.ndarray) -> tf.Tensor:
        """[B, d] -> what each of these tasks gets of the experts, [t, B, e]."""
        selected = [level.weights > 0 for level in self.levels]
        uses = find_use(selected, [level.owners for level in self.levels], rows)
        below = None
        for level, use in zip(self.levels, uses, strict=True):
            hidden = level(hidden, below, use)
            below = use.rows
        return hidden


def _keep(
    layer: tf.keras.layers.Layer, which: np.ndarray, name: str
) -> tuple[tf.Variable, tf.Variable]:
    """The kernel [u, in, out] and bias [u, 1, out] of the members that stay."""
    return (
        tf.Variable(tf.gather(layer.kernel, which), trainable=False, name=f"{name}_kernel"),
        tf.Variable(tf.gather(layer.bias, which), trainable=False, name=f"{name}_bias"),
    )


def _apply(
    inputs: tf.Tensor,
    kernel: tf.Variable,
    bias: tf.Variable,
    which: np.ndarray,
    activation: Activation,
) -> tf.Tensor:
    """The chosen members of parallel layers on inputs [B, in] or [p, B, in]."""
    if len(which) < kernel.shape[0]:
        kernel, bias = tf.gather(kernel, which), tf.gather(bias, which)
    return apply_parallel(inputs, kernel, bias, activation)
