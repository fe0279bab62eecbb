"""A list of ids as one vector that depends on the candidate: target attention."""

from typing import NamedTuple

import tensorflow as tf


class EmbeddedList(NamedTuple):
    """A list of embedded ids.

    Attributes:
        rows: [B, M, dim], or [1, M, dim] if it is the same for all.
        known: which of them are ids and no padding, [B, M] or [1, M] bool; None for single
            ids, [B, dim].
    """

    rows: tf.Tensor
    known: tf.Tensor | None


class TargetAttention(tf.keras.layers.Layer):
    """sum_m w_m k_m, w = softmax over the known m of v relu(Q q + K k_m + X (q * k_m) + b).

    q is the candidate's embedding, k_m those of the list. The layer's input [q, k, q - k,
    q * k] of the paper is in it: q - k adds nothing to a linear map of q and k. Written so,
    K k_m is computed once for all candidates of a user, and Q q once for all m. Unlike in
    the paper weights are a softmax, so that lists of any length weigh alike; an empty list
    is 0. The order of the list makes no difference.

    Args:
        units: width of the layer.
        name: of the layer.

    Reference: Zhou et al., KDD 2018 (deep interest network), arXiv 1706.06978.
    """

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.of_target = tf.keras.layers.Dense(units, name="of_target")
        self.of_listed = tf.keras.layers.Dense(units, use_bias=False, name="of_listed")
        self.of_both = tf.keras.layers.Dense(units, use_bias=False, name="of_both")
        self.score = tf.keras.layers.Dense(1, use_bias=False, name="score")

    def call(self, target: tf.Tensor, listed: EmbeddedList) -> tf.Tensor:
        """Candidates [B, dim] and their lists, or one list of all -> [B, dim]."""
        weights = self.weigh(target, listed)  # [B, M]
        return tf.squeeze(tf.matmul(weights[:, tf.newaxis], listed.rows), axis=1)

    def weigh(self, target: tf.Tensor, listed: EmbeddedList) -> tf.Tensor:
        """How much each word has to do with the candidate, [B, M]; 0 for padding."""
        target = target[:, tf.newaxis]  # [B, 1, dim]
        hidden = self.of_target(target) + self.of_listed(listed.rows)
        hidden = tf.nn.relu(hidden + self.of_both(target * listed.rows))  # [B, M, units]
        scores = tf.squeeze(self.score(hidden), axis=-1)
        known = tf.cast(listed.known, scores.dtype)
        lowest = tf.constant(scores.dtype.min, scores.dtype)
        return tf.nn.softmax(tf.where(listed.known, scores, lowest)) * known
