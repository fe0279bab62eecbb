"""The two ways through a trained ranker at serving: all experts, or the union only."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from trainer.model.extraction import LevelUse, find_use
from trainer.model.ranker import Ranker
from trainer.model.stacks import ParallelDense, ParallelStack, mix

Rows = list[tf.Tensor]
# More experts of a task are mixed by a product of matrices.
_FEW = 3


class Forward(Protocol):
    """From the concatenated inputs to the logits of some tasks."""

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B], or [1] for all -> [len(tasks), B]."""


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
        """[B, d] and positions [B], or [1] for all -> [len(tasks), B]."""
        return tf.gather(self._from_inputs(inputs, position).logits, tasks)


class PrunedStack(tf.Module):
    """Those members of parallel layers that stay, each with matrices of its own.

    A product of two matrices takes in its bias and activation, one of a stack of them does
    not; and a signature of one task takes what is its own without copying it.

    Args:
        layers: of all members.
        used: the places of those that stay.
        name: of the matrices.
        scales: of each, what its inputs were divided by: its first matrix makes up for it.
    """

    def __init__(
        self,
        layers: Sequence[ParallelDense],
        used: np.ndarray,
        name: str,
        scales: np.ndarray | None = None,
    ) -> None:
        super().__init__(name=name)
        self.activations = [layer.activation for layer in layers]
        self.members = [
            [_keep(layer, member, f"{name}_{i}_{place}") for place, member in enumerate(used)]
            for i, layer in enumerate(layers)
        ]
        if scales is not None:
            for (kernel, _), scale in zip(self.members[0], scales, strict=True):
                kernel.assign(kernel * scale)

    def __call__(self, hidden: Rows, which: np.ndarray) -> Rows:
        """The input [B, in] of each of some members -> their outputs, [B, out] each."""
        for activation, members in zip(self.activations, self.members, strict=True):
            matrices = [members[place] for place in which]
            hidden = [
                activation(tf.nn.bias_add(x @ kernel, bias))
                for x, (kernel, bias) in zip(hidden, matrices, strict=True)
            ]
        return hidden


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
        self.experts = PrunedStack(stack.layers, used, name)

    def __call__(self, hidden: Rows, below: np.ndarray | None, use: LevelUse) -> Rows:
        """[[B, d]], or [B, d] of each row below -> [B, e] of each row that is in use."""
        places = np.zeros(len(use.experts), int)
        if below is not None:
            places = np.searchsorted(below, self.owners[use.experts])
        outputs = self.experts([hidden[place] for place in places], use.experts)
        return mix_rows(self.weights[np.ix_(use.rows, use.experts)], outputs)


def mix_rows(weights: np.ndarray, experts: Rows) -> Rows:
    """sum_n weights[t, n] * experts[n] for each row t.

    Args:
        weights: known numbers, [rows, n].
        experts: n of [B, e].

    Example:
        >>> experts = [tf.ones([1, 2]), tf.fill([1, 2], 3.0)]
        >>> [x.numpy().tolist() for x in mix_rows(np.array([[1.0, 0.0], [0.5, 0.5]]), experts)]
        [[[1.0, 1.0]], [[2.0, 2.0]]]
    """
    counts = (weights != 0).sum(axis=1)
    if counts.min(initial=1) == 0 or counts.max(initial=0) > _FEW:
        mixed = mix(tf.constant(weights, experts[0].dtype), tf.stack(experts))  # [rows, B, e]
        return list(tf.unstack(mixed, num=len(weights)))
    # A product and a sum for each expert take less time than a product by a matrix of zeros.
    return [
        tf.add_n([x if w == 1.0 else x * w for w, x in zip(row, experts, strict=True) if w])
        for row in weights.astype(experts[0].dtype.as_numpy_dtype)
    ]


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
        # The largest weight of a task becomes 1, one product less for each candidate.
        last, scales = self.levels[-1], self.levels[-1].weights.max(axis=1)
        scales[scales == 0.0] = 1.0
        last.weights = last.weights / scales[:, np.newaxis]
        self.crosses = ranker.crosses
        self.chains = ranker.chains
        self.position = ranker.position
        self.wide = ranker.wide
        tower, head = (scales, None) if ranker.towers.layers else (None, scales)
        self.towers = PrunedStack(ranker.towers.layers, every_task, "tower", tower)
        self.heads = PrunedStack([ranker.heads], every_task, "head", head)

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B], or [1] for all -> [len(tasks), B]."""
        rows = np.asarray(self.chains.with_earlier(tasks) if self.chains else tasks)
        crossed = inputs
        for cross in self.crosses:
            crossed = cross(inputs, crossed)
        hidden = self.towers(self._extract(crossed, rows), rows)
        if self.chains is not None:
            hidden = tf.unstack(self.chains(tf.stack(hidden), rows.tolist()))
        logits = tf.transpose(tf.concat(self.heads(hidden, rows), axis=1))  # [t, B]
        if self.wide is not None:
            logits += tf.gather(self.wide(inputs), rows)
        if self.position is not None:
            logits += tf.gather(self.position(position), rows)
        if self.chains is None:
            return logits
        joined = self.chains.join(logits, rows.tolist())
        return tf.gather(joined, np.searchsorted(rows, np.asarray(tasks)))

    def _extract(self, inputs: tf.Tensor, rows: np.ndarray) -> Rows:
        """[B, d] -> what each of these tasks gets of the experts, [B, e]."""
        selected = [level.weights > 0 for level in self.levels]
        uses = find_use(selected, [level.owners for level in self.levels], rows)
        hidden, below = [inputs], None
        for level, use in zip(self.levels, uses, strict=True):
            hidden = level(hidden, below, use)
            below = use.rows
        return hidden


def _keep(layer: ParallelDense, member: int, name: str) -> tuple[tf.Variable, tf.Variable]:
    """The kernel [in, out] and bias [out] of a member that stays."""
    return (
        tf.Variable(layer.kernel[member], trainable=False, name=f"{name}_kernel"),
        tf.Variable(layer.bias[member, 0], trainable=False, name=f"{name}_bias"),
    )
