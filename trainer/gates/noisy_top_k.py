"""The noisy Top-k gate: exploration by noise, balance by importance and load."""

import tensorflow as tf

from trainer.batch_part import BatchPart, sum_over_examples
from trainer.gates.base import GateOutput, LogitGate, TaskLogits
from trainer.gates.importance import squared_variation
from trainer.gates.options import NoisyTopKOptions
from trainer.gates.top_k import find_largest, keep_top_k, softmax_over
from trainer.noise import draw_seed

_LEAST_DEVIATION = 1e-6


def chance_of_selection(
    clean: tf.Tensor, noisy: tf.Tensor, deviation: tf.Tensor, largest: tf.Tensor
) -> tf.Tensor:
    """P_i = Phi((clean_i - kth_excluding(noisy, k, i)) / deviation_i), k < n.

    The chance that expert i is among the k largest if its own noise is drawn again and that
    of the others stays.

    Args:
        clean: logits without noise, [..., n].
        noisy: logits with noise, [..., n].
        deviation: of the noise, [..., n], > 0.
        largest: where the k + 1 largest of `noisy` are, largest first, [..., k + 1].

    Example:
        >>> logits = tf.constant([2.0, 1.0])
        >>> chances = chance_of_selection(logits, logits, tf.ones([2]), tf.constant([0, 1]))
        >>> [round(float(p), 3) for p in chances]
        [0.841, 0.159]
    """
    kth, next_ = (_value_at(noisy, largest[..., i]) for i in (-2, -1))  # [..., 1]
    is_selected = tf.cast(noisy > next_, noisy.dtype)
    threshold = kth + is_selected * (next_ - kth)  # [..., n]
    return 0.5 * (1.0 + tf.math.erf((clean - threshold) / deviation / 2.0**0.5))


def _value_at(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """[..., n] and [...] -> [..., 1]; the gradient of a gather would take much longer."""
    there = tf.one_hot(index, values.shape[-1], dtype=values.dtype)
    return tf.reduce_sum(values * there, axis=-1, keepdims=True)


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

    def call(
        self, inputs: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> GateOutput:
        """Weights [B, T, n]; in training with noise, and the penalties."""
        k, clean = self.options.experts_per_task, self.logits(inputs)  # [B, T, n]
        if not training:
            return GateOutput(keep_top_k(clean, k), {})
        # softplus underflows far below 0, and the load divides by it.
        deviation = tf.maximum(tf.math.softplus(self.noise(inputs)), _LEAST_DEVIATION)
        noise = tf.random.stateless_normal(tf.shape(clean), draw_seed(), dtype=clean.dtype)
        noisy = clean + deviation * noise
        largest = find_largest(noisy, min(k + 1, self.num_experts))
        weights, chances = softmax_over(noisy, largest[..., :k]), tf.ones_like(clean)
        if k < self.num_experts:
            chances = chance_of_selection(clean, noisy, deviation, largest)
        sizes = {
            "importance": (self.options.importance_weight, weights),
            "load": (self.options.load_weight, chances),
        }
        penalties = {
            name: weight * tf.reduce_sum(squared_variation(sum_over_examples(values, part)))
            for name, (weight, values) in sizes.items()
        }
        return GateOutput(weights, penalties)
