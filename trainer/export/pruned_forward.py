"""The pass that computes the experts in use only, and a user's part of it once."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.export.forward import FIRST_POSITION
from trainer.export.one_user import FirstLayer, Parts, Sides, crossed, find_sides, plain, spread
from trainer.export.pruned_stack import PrunedLevel, PrunedStack, Read, Rows
from trainer.model.extraction import find_use
from trainer.model.ranker import Ranker

# A graph is a message of 2 GB at most, and is read as a whole.
_MAX_CONSTANT_BYTES = 2**26


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
        self.towers = PrunedStack(ranker.towers.layers, every_task, "tower")
        self.heads = PrunedStack([ranker.heads], every_task, "head")
        first = self.towers if ranker.towers.layers else self.heads
        first.scale_inputs(self.levels[-1].simplify())
        self._read: Read = _keep
        if sum(4 * np.prod(v.shape) for v in self.variables) <= _MAX_CONSTANT_BYTES:
            self._read = _as_constant

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B], or [1] for all -> [len(tasks), B]."""
        hidden = inputs
        for cross in self.crosses:
            hidden = cross(inputs, hidden)
        added = [self.wide(inputs)] if self.wide else []
        if self.position is not None:
            added.append(self.position(position))
        return self._to_logits(hidden, added, tasks, _keep)

    def rank(self, parts: Parts, size: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """One user's candidates -> [len(tasks), N].

        Matrices are constants here, unless they are very large: the runtime takes apart
        beforehand what only depends on them.
        """
        sides = find_sides(parts)
        # What a second cross layer makes of the user's columns is not linear in the others.
        if sides is None or len(self.crosses) > 1:
            return self(spread(parts, size), tf.constant([FIRST_POSITION]), tasks)
        added = []
        with tf.name_scope("experts"):
            first = self._first_layer(sides)
        if self.wide is not None:
            layer = plain(sides)
            kernel = layer.kernel(self._read(self.wide.dense.kernel))
            added.append(tf.transpose(layer.rows @ kernel))
        if self.position is not None:
            with tf.init_scope():
                first_position = self.position(tf.constant([FIRST_POSITION]))
            added.append(_as_constant(first_position))
        return self._to_logits(
            first.rows, added, tasks, self._read, lambda kernel: first.kernel(self._read(kernel))
        )

    def _first_layer(self, sides: Sides) -> FirstLayer:
        if not self.crosses:
            return plain(sides)
        return crossed(sides, *map(self._read, self.crosses[0].trainable_variables))

    def _to_logits(
        self,
        hidden: tf.Tensor,
        added: Sequence[tf.Tensor],
        tasks: Sequence[int],
        read: Read,
        read_first: Read | None = None,
    ) -> tf.Tensor:
        """From what the first experts read, [B, d], and what is added to logits, [T, B]."""
        rows = np.asarray(self.chains.with_earlier(tasks) if self.chains else tasks)
        with tf.name_scope("experts"):
            mixed = self._extract(hidden, rows, read, read_first)
        with tf.name_scope("towers"):
            return self._compute_towers(mixed, rows, added, tasks, read)

    def _compute_towers(
        self,
        mixed: Rows,
        rows: np.ndarray,
        added: Sequence[tf.Tensor],
        tasks: Sequence[int],
        read: Read,
    ) -> tf.Tensor:
        """What each row gets of the experts, [B, e] -> the tasks' logits [t, B]."""
        towers = self.towers(mixed, rows, read)
        if self.chains is not None:
            towers = tf.unstack(self.chains(tf.stack(towers), rows.tolist()))
        logits = tf.transpose(tf.concat(self.heads(towers, rows, read), axis=1))  # [t, B]
        for of_every_task in added:
            logits += tf.gather(of_every_task, rows)
        if self.chains is None:
            return logits
        joined = self.chains.join(logits, rows.tolist())
        return tf.gather(joined, np.searchsorted(rows, np.asarray(tasks)))

    def _extract(
        self, inputs: tf.Tensor, rows: np.ndarray, read: Read, read_first: Read | None
    ) -> Rows:
        """[B, d] -> what each of these tasks gets of the experts, [B, e]."""
        selected = [level.weights > 0 for level in self.levels]
        uses = find_use(selected, [level.owners for level in self.levels], rows)
        hidden, below = [inputs], None
        for level, use in zip(self.levels, uses, strict=True):
            hidden = level(hidden, below, use, read, read_first if below is None else None)
            below = use.rows
        return hidden


def _keep(matrix: tf.Tensor) -> tf.Tensor:
    return matrix


def _as_constant(matrix: tf.Tensor) -> tf.Tensor:
    with tf.init_scope():
        value = matrix.numpy()
    return tf.constant(value)
