"""The dense gate."""

import tensorflow as tf

from trainer.gates.base import Gate, GateOutput, TaskLogits
from trainer.gates.options import SoftmaxOptions


class SoftmaxGate(Gate):
    """Every task uses every expert: w = softmax(b), or softmax(x A + b) per example.

    Example:
        >>> gate = SoftmaxGate(2, 4, SoftmaxOptions(kind="softmax"))
        >>> gate(tf.zeros([1, 3])).weights.shape
        TensorShape([2, 4])

    Reference: Ma et al., KDD 2018 (multi-gate mixture of experts).
    """

    options: SoftmaxOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the logits [T, n]."""
        self.logits = TaskLogits(
            (self.num_tasks, self.num_experts),
            self.per_example,
            tf.keras.initializers.RandomUniform(-0.05, 0.05),
            name="logits",
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n] or [B, T, n]; no penalty."""
        return GateOutput(tf.nn.softmax(self.logits(inputs)), {})
