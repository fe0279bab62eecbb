"""DSelect-k: a continuously differentiable gate that ends in at most k experts a task."""

import tensorflow as tf

from trainer.gates.base import Gate, GateOutput, TaskLogits
from trainer.gates.options import DSelectKOptions


def smooth_step(t: tf.Tensor, beta: float) -> tf.Tensor:
    """S(t): 0 for t <= -beta/2, 1 for t >= beta/2, and in between the cubic
    -(2/beta^3) t^3 + (3/(2 beta)) t + 1/2. S and S' are continuous.

    Args:
        t: any shape.
        beta: width of the step, > 0.

    Example:
        >>> smooth_step(tf.constant([-1.0, 0.0, 0.5]), 1.0).numpy().tolist()
        [0.0, 0.5, 1.0]
    """
    inside = -2.0 / beta**3 * t**3 + 3.0 / (2.0 * beta) * t + 0.5
    zeros, ones = tf.zeros_like(t), tf.ones_like(t)
    return tf.where(t <= -beta / 2, zeros, tf.where(t >= beta / 2, ones, inside))


def select_expert(bits: tf.Tensor) -> tf.Tensor:
    """r(z): probability of each code, for independent bits with probabilities S(z).

    r_i = prod of s_j over the set bits j of i, times prod of (1 - s_j) over the others.
    Built by doubling, one bit at a time, so no table of codes is needed.

    Args:
        bits: S(z), [..., m], least significant bit first.

    Returns:
        [..., 2^m], rows sum to 1.

    Example:
        >>> select_expert(tf.constant([1.0, 0.0])).numpy().tolist()
        [0.0, 1.0, 0.0, 0.0]
    """
    codes = tf.ones_like(tf.reduce_sum(bits, axis=-1, keepdims=True))  # [..., 1]
    for bit in tf.unstack(bits, axis=-1):
        one = bit[..., tf.newaxis]
        codes = tf.concat([codes * (1.0 - one), codes * one], axis=-1)
    return codes


def bits_entropy(bits: tf.Tensor) -> tf.Tensor:
    """H(r) of each selector, natural log: the bits are independent, so H(r) = sum_j h(s_j).

    Args:
        bits: S(z), [..., m].

    Returns:
        [...]; 0 exactly where all bits are binary, with a zero gradient there.
    """
    open_ = (bits > 0.0) & (bits < 1.0)
    safe = tf.where(open_, bits, 0.5 * tf.ones_like(bits))
    entropy = -safe * tf.math.log(safe) - (1.0 - safe) * tf.math.log1p(-safe)
    return tf.reduce_sum(tf.where(open_, entropy, tf.zeros_like(entropy)), axis=-1)


def expected_union(codes: tf.Tensor) -> tf.Tensor:
    """U = sum_i [1 - prod_{t,s} (1 - r_{t,s,i})]: how many experts all tasks use together.

    Smooth in the selectors, between 1 and n, and once they are binary exactly the size of
    the union, which is what serving must compute.

    Args:
        codes: r, [T, k, n].

    Example:
        >>> float(expected_union(tf.constant([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]])))
        2.0
    """
    unused = tf.reduce_prod(1.0 - codes, axis=[0, 1])  # [n]
    return tf.reduce_sum(1.0 - unused)


class DSelectKGate(Gate):
    """w = sum_{i<=k} softmax(alpha)_i r(S(z_i)), for all tasks at once.

    With n no power of two the codes are the next power's, and the mass on codes
    without an expert is penalised (appendix B.2); weights then sum to 1 minus that mass until
    the gate has converged. The entropy penalty is summed over selectors and, per
    example, averaged over the examples.

    Example:
        >>> gate = DSelectKGate(2, 8, DSelectKOptions(kind="dselect_k", experts_per_task=2))
        >>> gate(tf.zeros([1, 3])).weights.shape
        TensorShape([2, 8])

    Reference: Hazimeh et al., NeurIPS 2021, arXiv 2106.03760.
    """

    options: DSelectKOptions

    @property
    def num_bits(self) -> int:
        """m = ceil(log2 n)."""
        return (self.num_experts - 1).bit_length()

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes alpha [T, k] and z [T, k, m]; every z starts inside the smooth step."""
        tasks, k, beta = self.num_tasks, self.options.experts_per_task, self.options.beta
        uniform = tf.keras.initializers.RandomUniform
        self.alpha = TaskLogits((tasks, k), self.per_example, uniform(-0.05, 0.05), name="alpha")
        self.z = TaskLogits(
            (tasks, k, self.num_bits),
            self.per_example,
            uniform(-beta / 100, beta / 100),
            name="z",
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n] or [B, T, n], and its penalties by name."""
        bits = smooth_step(self.z(inputs), self.options.beta)  # [.., T, k, m]
        codes = select_expert(bits)  # [.., T, k, 2^m]
        mix = tf.nn.softmax(self.alpha(inputs))  # [.., T, k]
        weights = tf.einsum("...k,...kn->...n", mix, codes[..., : self.num_experts])
        penalties = {"entropy": self.options.entropy_weight * self._total(bits_entropy(bits))}
        if codes.shape[-1] > self.num_experts:
            unreachable = tf.reduce_sum(codes[..., self.num_experts :], axis=-1)
            penalties["unreachable"] = self.options.unreachable_weight * self._total(unreachable)
        if self.options.serving_budget is not None:
            over = expected_union(codes[..., : self.num_experts]) - self.options.serving_budget
            penalties["union"] = self.options.budget_weight * tf.nn.relu(over)
        return GateOutput(weights, penalties)

    def converged(self) -> tf.Tensor:
        """[T] bool: every S(z) of the task is exactly 0 or 1 (never, per example)."""
        if self.per_example:
            return super().converged()
        bits = smooth_step(tf.convert_to_tensor(self.z.bias), self.options.beta)
        return tf.reduce_all((bits == 0.0) | (bits == 1.0), axis=[-2, -1])

    def _total(self, value: tf.Tensor) -> tf.Tensor:
        """Sums [.., T, k] over tasks and selectors, and averages over examples."""
        return tf.reduce_mean(tf.reduce_sum(value, axis=[-2, -1]))
