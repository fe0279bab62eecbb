"""The Top-k gate: the baseline that a DSelect-k ranker has to beat."""

import tensorflow as tf

from trainer.gates.balance import make_balance
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

    A per-example gate may be balanced, which acts in training only.

    Example:
        >>> gate = TopKGate(2, 8, TopKOptions(kind="top_k", experts_per_task=2))
        >>> int(tf.math.count_nonzero(gate(tf.zeros([1, 3])).weights))
        4
    """

    options: TopKOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the logits and the state of the balance."""
        k = self.options.experts_per_task
        self.balance = make_balance(
            self.options.balance, self.num_tasks, self.num_experts, k, self.compute_dtype
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n] or [B, T, n]; in training the balance's penalty."""
        logits, k = self.logits(inputs), self.options.experts_per_task
        if not training:
            return GateOutput(keep_top_k(logits, k), {})
        weights = keep_top_k(self.balance.restrict(logits), k)
        return GateOutput(weights, self.balance.penalties(weights))
