"""The Top-k gate: the baseline that a DSelect-k ranker has to beat."""

import numpy as np
import tensorflow as tf

from trainer.batch_part import BatchPart
from trainer.gates.balance import make_balance
from trainer.gates.base import GateOutput, LogitGate
from trainer.gates.options import TopKOptions

# Up to here a search for each expert is quicker than TensorFlow's Top-k of many short rows.
_FEW = 8


def find_largest(logits: tf.Tensor, count: int) -> tf.Tensor:
    """Where the largest logits are, largest first; of equal ones the first.

    Args:
        logits: [..., n].
        count: how many, at most n.

    Returns:
        Indices, [..., count].

    Example:
        >>> find_largest(tf.constant([0.0, 1.0, 1.0]), 2).numpy().tolist()
        [1, 2]
    """
    if count > _FEW:
        return tf.math.top_k(logits, count).indices
    indices, taken = [], logits.dtype.as_numpy_dtype(np.inf)
    for _ in range(count):
        indices.append(tf.argmax(logits, axis=-1, output_type=tf.int32))
        logits -= tf.one_hot(indices[-1], logits.shape[-1], taken, logits.dtype.as_numpy_dtype(0))
    return tf.stack(indices, axis=-1)


def softmax_over(logits: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """Softmax over some of the logits; the weights of the others are exactly 0.

    Args:
        logits: [..., n].
        indices: of those that count, all different, [..., k].

    Returns:
        Weights [..., n].

    Example:
        >>> softmax_over(tf.zeros([3]), tf.constant([0, 2])).numpy().tolist()
        [0.5, 0.0, 0.5]
    """
    kept = tf.reduce_sum(tf.one_hot(indices, logits.shape[-1], dtype=logits.dtype), axis=-2)
    return tf.nn.softmax(logits + (kept - 1.0) * logits.dtype.max)


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
    return softmax_over(logits, find_largest(logits, k))


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

    def call(
        self, inputs: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> GateOutput:
        """Weights [T, n] or [B, T, n]; in training the balance's penalty."""
        logits, k = self.logits(inputs), self.options.experts_per_task
        if not training:
            return GateOutput(keep_top_k(logits, k), {})
        weights = keep_top_k(self.balance.restrict(logits), k)
        return GateOutput(weights, self.balance.penalties(weights, part))
