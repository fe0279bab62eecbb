"""The Top-k gate: the baseline that a DSelect-k ranker has to beat."""

import tensorflow as tf

from trainer.gates.base import GateOutput, LogitGate
from trainer.gates.options import TopKOptions


def keep_top_k(logits: tf.Tensor, k: int) -> tf.Tensor:
    """softmax(KeepTopK(logits, k)): the k largest are kept, the rest counts as -inf.

    Args:
        logits: [..., n].
        k: how many are kept; of equal logits the first.

    Returns:
        Weights [..., n] with exactly k positive entries that sum to 1.

    Example:
        >>> keep_top_k(tf.constant([0.0, 1.0, 1.0]), 2).numpy().tolist()
        [0.0, 0.5, 0.5]

    Reference: Shazeer et al. 2017, arXiv 1701.06538.
    """
    _, indices = tf.math.top_k(logits, k)  # [..., k]
    kept = tf.reduce_any(tf.one_hot(indices, logits.shape[-1], on_value=True, off_value=False), -2)
    lowest = tf.constant(logits.dtype.min, logits.dtype)
    weights = tf.nn.softmax(tf.where(kept, logits, lowest))
    return tf.where(kept, weights, tf.zeros_like(weights))


class TopKGate(LogitGate):
    """w = softmax(KeepTopK(b, k)), or of x A + b per example. Not continuous in b.

    Example:
        >>> gate = TopKGate(2, 8, TopKOptions(kind="top_k", experts_per_task=2))
        >>> int(tf.math.count_nonzero(gate(tf.zeros([1, 3])).weights))
        4
    """

    options: TopKOptions

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n] or [B, T, n]; no penalty."""
        return GateOutput(keep_top_k(self.logits(inputs), self.options.experts_per_task), {})
