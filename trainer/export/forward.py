"""From the inputs to the logits at serving, in a way that an exporter chooses."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import tensorflow as tf

from trainer.export.one_user import Parts, spread
from trainer.model.extraction import RunExperts, run_all
from trainer.model.ranker import Ranker

FIRST_POSITION = 1
"""What a candidate is scored as if shown at."""


class Forward(Protocol):
    """From the inputs to the logits of some tasks."""

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """Concatenated inputs [B, d] and positions [B], or [1] for all -> [len(tasks), B]."""

    def rank(self, parts: Parts, size: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """The inputs of one user's candidates, by feature -> [len(tasks), N].

        Every candidate is predicted as shown first.

        Args:
            parts: in the order of the columns; what is the same for all is [1, width].
            size: N.
            tasks: whose logits.
        """


class FullForward(tf.Module):
    """Every expert is there, as in training.

    Args:
        ranker: the trained model.
        run: how experts are computed.
    """

    def __init__(self, ranker: Ranker, run: RunExperts = run_all) -> None:
        super().__init__(name="full")
        # Not the layers: Keras would save each with its training, which may ask the host.
        self.weights = ranker.weights
        self._from_inputs = partial(ranker.from_inputs, run=run)

    def __call__(self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """[B, d] and positions [B], or [1] for all -> [len(tasks), B]."""
        return tf.gather(self._from_inputs(inputs, position).logits, tasks)

    def rank(self, parts: Parts, size: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """One user's candidates -> [len(tasks), N]."""
        return self(spread(parts, size), tf.constant([FIRST_POSITION]), tasks)
