"""The dense gate."""

import tensorflow as tf

from trainer.batch_part import BatchPart
from trainer.gates.base import GateOutput, LogitGate
from trainer.gates.options import SoftmaxOptions


class SoftmaxGate(LogitGate):
    """Every task uses every expert: w = softmax(b), or softmax(x A + b) per example.

    Example:
        >>> gate = SoftmaxGate(2, 4, SoftmaxOptions(kind="softmax"))
        >>> gate(tf.zeros([1, 3])).weights.shape
        TensorShape([2, 4])

    Reference: Ma et al., KDD 2018 (multi-gate mixture of experts).
    """

    options: SoftmaxOptions

    @property
    def sparse(self) -> bool:
        """Never."""
        return False

    def call(
        self, inputs: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> GateOutput:
        """Weights [T, n] or [B, T, n]; no penalty."""
        return GateOutput(tf.nn.softmax(self.logits(inputs)), {})
