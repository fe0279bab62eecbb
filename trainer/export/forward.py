"""The two ways through a trained ranker at serving: all experts, or the union only."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from trainer.model.ranker import Ranker


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


class PrunedForward(tf.Module):
    """Only the experts are computed that a served task uses; the others are not even stored.

    Args:
        ranker: the trained model; its gate is static.
    """

    def __init__(self, ranker: Ranker) -> None:
        super().__init__(name="pruned")
        weights = ranker.gate(tf.zeros([1, 1])).weights.numpy()  # [T, n]
        self.union = np.flatnonzero((weights > 0).any(axis=0))
        self.weights = weights[:, self.union]  # [T, u]
        self.crosses = ranker.crosses
        self.position = ranker.position
        self.wide = ranker.wide
        self.experts = [
            _keep(layer, self.union, f"expert_{i}") for i, layer in enumerate(ranker.experts.layers)
        ]
        every_task = np.arange(len(ranker.tasks))
        self.towers = [
            _keep(layer, every_task, f"tower_{i}") for i, layer in enumerate(ranker.towers.layers)
        ]
        self.heads = _keep(ranker.heads, every_task, "heads")

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B] -> [len(tasks), B]."""
        rows = np.asarray(tasks)
        used = np.flatnonzero((self.weights[rows] > 0).any(axis=0))
        hidden = inputs
        for cross in self.crosses:
            hidden = cross(inputs, hidden)
        for kernel, bias in self.experts:
            hidden = tf.nn.relu(_apply(hidden, kernel, bias, used))  # [u, B, e]
        mix = tf.constant(self.weights[np.ix_(rows, used)])
        hidden = tf.einsum("tu,ube->tbe", mix, hidden)
        for kernel, bias in self.towers:
            hidden = tf.nn.relu(_apply(hidden, kernel, bias, rows))
        logits = tf.squeeze(_apply(hidden, *self.heads, rows), -1)  # [t, B]
        if self.wide is not None:
            logits += tf.gather(self.wide(inputs), rows)
        if self.position is not None:
            logits += tf.gather(self.position(position), rows)
        return logits


def _keep(
    layer: tf.keras.layers.Layer, which: np.ndarray, name: str
) -> tuple[tf.Variable, tf.Variable]:
    """The kernel [u, in, out] and bias [u, 1, out] of the members that stay."""
    return (
        tf.Variable(tf.gather(layer.kernel, which), trainable=False, name=f"{name}_kernel"),
        tf.Variable(tf.gather(layer.bias, which), trainable=False, name=f"{name}_bias"),
    )


def _apply(
    inputs: tf.Tensor, kernel: tf.Variable, bias: tf.Variable, which: np.ndarray
) -> tf.Tensor:
    """inputs [B, in] or [p, B, in] times the chosen members of the kernel."""
    if len(which) < kernel.shape[0]:
        kernel, bias = tf.gather(kernel, which), tf.gather(bias, which)
    equation = "bi,pio->pbo" if inputs.shape.rank == 2 else "pbi,pio->pbo"
    return tf.einsum(equation, inputs, kernel) + bias
