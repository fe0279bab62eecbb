"""DSelect-k: a continuously differentiable gate that ends in at most k experts a task."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer.gates.annealing import QuadraticallyAnnealed
from trainer.gates.balance import make_balance
from trainer.gates.base import Gate, GateOutput, TaskLogits
from trainer.gates.pressure import EntropyPressure, ServingBudget
from trainer.gates.selector_options import DSelectKOptions

# Nearer to its ends than this, S is binary but for 1.2e-7, which 32 bits cannot always tell,
# while S' is not 0 yet: there, what was exactly binary could open again.
_LAST_OPEN = 0.4998


def smooth_step(t: tf.Tensor, beta: float | tf.Tensor) -> tf.Tensor:
    """S(t): 0 for t <= -beta/2, 1 for t >= beta/2, and in between the cubic
    -(2/beta^3) t^3 + (3/(2 beta)) t + 1/2. S and S' are continuous. Once S is exactly 0
    or 1, S' is 0: the rounding of 32 bits cannot open it again.

    Args:
        t: any shape.
        beta: width of the step, > 0.

    Example:
        >>> smooth_step(tf.constant([-1.0, 0.0, 0.5]), 1.0).numpy().tolist()
        [0.0, 0.5, 1.0]
    """
    # In units of beta, so that a beta of 1e-16 overflows nothing; exact at both ends.
    u = _clip(t / beta)
    return -2.0 * u**3 + 1.5 * u + 0.5


@tf.custom_gradient
def _clip(u: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """To [-1/2, 1/2], where the cubic is flat: its slope alone stops the gradient."""
    return tf.where(tf.abs(u) < _LAST_OPEN, u, 0.5 * tf.sign(u)), lambda upstream: upstream


def select_expert(bits: tf.Tensor) -> tf.Tensor:
    """r(z): probability of each code, for independent bits with probabilities S(z).

    r_i = prod of s_j over the set bits j of i, times prod of (1 - s_j) over the others.
    Built by doubling, one bit at a time, so no table of codes is needed; codes are the first
    axis until the end, because tensors are quickly joined along that one only.

    Args:
        bits: S(z), [..., m], least significant bit first.

    Returns:
        [..., 2^m], rows sum to 1.

    Example:
        >>> select_expert(tf.constant([1.0, 0.0])).numpy().tolist()
        [0.0, 1.0, 0.0, 0.0]
    """
    codes = tf.ones(tf.shape(bits)[:-1], bits.dtype)[tf.newaxis]  # [1, ...]
    for bit in tf.unstack(bits, axis=-1):
        set_ = codes * bit
        codes = tf.concat([codes - set_, set_], axis=0)
    return tf.transpose(codes, [*range(1, codes.shape.rank), 0])


def bits_entropy(bits: tf.Tensor) -> tf.Tensor:
    """H(r) of each selector, natural log: the bits are independent, so H(r) = sum_j h(s_j).

    Args:
        bits: S(z), [..., m].

    Returns:
        [...]; 0 exactly where all bits are binary, with a finite gradient there.
    """
    zeros = 1.0 - bits
    return -tf.reduce_sum(tf.math.xlogy(bits, bits) + tf.math.xlogy(zeros, zeros), axis=-1)


class DSelectKGate(Gate):
    """w = sum_{i<=k} softmax(alpha)_i r(S(z_i)), for all tasks at once.

    With n no power of two the codes are the next power's. The mass on codes without an
    expert is penalised (appendix B.2), and weights sum to 1 minus that mass until the gate
    has converged; or each of those codes stands for an expert drawn once by a seed. The
    entropy penalty is summed over selectors and, per example, averaged over the examples.

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

    @property
    def will_converge(self) -> bool:
        """With a beta that falls; not per example, where other examples may come."""
        return self.options.beta_steps is not None and not self.per_example

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes alpha [T, k] and z [T, k, m]; every z starts inside the smooth step."""
        tasks, k, beta = self.num_tasks, self.options.experts_per_task, self.options.beta
        reach = self.options.initial_scale * beta
        uniform = tf.keras.initializers.RandomUniform
        self.alpha = TaskLogits((tasks, k), self.per_example, uniform(-0.05, 0.05), name="alpha")
        self.z = TaskLogits(
            (tasks, k, self.num_bits),
            self.per_example,
            uniform(-reach, reach),
            name="z",
        )
        options = self.options
        if options.beta_steps is not None:
            dtype = self.compute_dtype
            self.beta = QuadraticallyAnnealed(beta, options.beta_steps, "beta", dtype)
        self.budget = ServingBudget(options, self.compute_dtype)
        self.pressure = EntropyPressure(options, self.compute_dtype)
        self.balance = make_balance(options.balance, tasks, self.num_experts, k, self.compute_dtype)
        super().build(input_shape)

    def _beta(self) -> float | tf.Tensor:
        return self.options.beta if self.options.beta_steps is None else self.beta(None)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n] or [B, T, n], and its penalties by name."""
        bits = smooth_step(self.z(inputs), self._beta())  # [.., T, k, m]
        codes = select_expert(bits)  # [.., T, k, 2^m]
        unused = codes[..., self.num_experts :]
        experts = self._experts(codes)  # [.., T, k, n]
        mix = tf.nn.softmax(self.alpha(inputs))  # [.., T, k]
        # A product of many tiny matrices would take several times as long.
        weights = tf.reduce_sum(mix[..., tf.newaxis] * experts, axis=-2)
        entropy = self._total(bits_entropy(bits))
        over = self.budget.measure(experts)
        penalties = self.pressure.penalties(entropy) | self.budget.penalties(over)
        if unused.shape[-1] and self.options.unused_codes == "penalty":
            unreachable = tf.reduce_sum(unused, axis=-1)
            penalties["unreachable"] = self.options.unreachable_weight * self._total(unreachable)
        if training:
            penalties |= self.balance.penalties(weights)
            self._advance(over, inputs)
        return GateOutput(weights, penalties)

    def _advance(self, over: tf.Tensor, inputs: tf.Tensor) -> None:
        # What is binary cannot be changed any more, so all that sharpens waits for the budget.
        is_met = self.budget.advance(over, inputs)
        self.pressure.advance(inputs, is_met)
        if self.options.beta_steps is not None:
            self.beta.advance(inputs, is_met)

    def _experts(self, codes: tf.Tensor) -> tf.Tensor:
        """Codes [.., 2^m] -> experts [.., n]; unused codes fall away or stand for others."""
        num_unused = codes.shape[-1] - self.num_experts
        if not num_unused:
            return codes
        used, unused = tf.split(codes, [self.num_experts, num_unused], axis=-1)
        if self.options.unused_codes == "penalty":
            return used
        # NumPy promises that this generator's stream never changes.
        stream = np.random.RandomState(self.options.unused_codes_seed)
        stands_for = stream.permutation(self.num_experts)[:num_unused]
        other = tf.one_hot(stands_for, self.num_experts, dtype=codes.dtype)  # [2^m - n, n]
        return used + tf.einsum("...u,un->...n", unused, other)

    def converged(self) -> tf.Tensor:
        """[T] bool: every S(z) of the task is exactly 0 or 1 (never, per example)."""
        if self.per_example:
            return super().converged()
        bits = smooth_step(tf.convert_to_tensor(self.z.bias), self._beta())
        return tf.reduce_all((bits == 0.0) | (bits == 1.0), axis=[-2, -1])

    def _total(self, value: tf.Tensor) -> tf.Tensor:
        """Sums [.., T, k] over tasks and selectors, and averages over examples."""
        return tf.reduce_mean(tf.reduce_sum(value, axis=[-2, -1]))
