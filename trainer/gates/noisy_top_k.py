"""The noisy Top-k gate: exploration by noise, balance by importance and load."""

import tensorflow as tf

from trainer.gates.base import GateOutput, LogitGate, TaskLogits
from trainer.gates.importance import squared_variation, sum_over_examples
from trainer.gates.options import NoisyTopKOptions
from trainer.gates.top_k import keep_top_k

_LEAST_DEVIATION = 1e-6


def chance_of_selection(
    clean: tf.Tensor, noisy: tf.Tensor, deviation: tf.Tensor, k: int
) -> tf.Tensor:
    """P_i = Phi((clean_i - kth_excluding(noisy, k, i)) / deviation_i).

    The chance that expert i is among the k largest if its own noise is drawn again and that
    of the others stays. With k = n it is 1.

    Args:
        clean: logits without noise, [..., n].
        noisy: logits with noise, [..., n].
        deviation: of the noise, [..., n], > 0.
        k: how many are selected.

    Example:
        >>> logits = tf.constant([2.0, 1.0])
        >>> [round(float(p), 3) for p in chance_of_selection(logits, logits, tf.ones([2]), 1)]
        [0.841, 0.159]
    """
    if k >= noisy.shape[-1]:
        return tf.ones_like(clean)
    largest, _ = tf.math.top_k(noisy, k + 1)  # [..., k + 1]
    kth, next_ = largest[..., k - 1 : k], largest[..., k : k + 1]
    threshold = tf.where(noisy > next_, next_, kth)  # [..., n]
    return 0.5 * (1.0 + tf.math.erf((clean - threshold) / deviation / 2.0**0.5))


class NoisyTopKGate(LogitGate):
    """w = softmax(KeepTopK(H, k)), H = x W_g + N(0, 1) softplus(x W_noise), per example.

    Noise and penalties act in training only. The penalties are the squared coefficients of
    variation of importance sum_x w(x) and of load sum_x P(x), summed over tasks.

    Example:
        >>> gate = NoisyTopKGate(2, 8, NoisyTopKOptions(kind="noisy_top_k"))
        >>> gate(tf.zeros([5, 3])).weights.shape
        TensorShape([5, 2, 8])

    Reference: Shazeer et al. 2017, arXiv 1701.06538.
    """

    options: NoisyTopKOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the logits of the noise too."""
        self.noise = TaskLogits(
            (self.num_tasks, self.num_experts), True, tf.keras.initializers.Zeros(), name="noise"
        )
        # The first call may be one without noise.
        self.noise.build(input_shape)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [B, T, n]; in training with noise, and the penalties."""
        k, clean = self.options.experts_per_task, self.logits(inputs)  # [B, T, n]
        if not training:
            return GateOutput(keep_top_k(clean, k), {})
        # softplus underflows far below 0, and the load divides by it.
        deviation = tf.maximum(tf.math.softplus(self.noise(inputs)), _LEAST_DEVIATION)
        noisy = clean + deviation * tf.random.normal(tf.shape(clean), dtype=clean.dtype)
        weights = keep_top_k(noisy, k)
        chances = chance_of_selection(clean, noisy, deviation, k)
        sizes = {
            "importance": (self.options.importance_weight, weights),
            "load": (self.options.load_weight, chances),
        }
        penalties = {
            name: weight * tf.reduce_sum(squared_variation(sum_over_examples(values)))
            for name, (weight, values) in sizes.items()
        }
        return GateOutput(weights, penalties)
