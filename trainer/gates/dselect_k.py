"""DSelect-k: a continuously differentiable gate that ends in at most k experts a task."""

import numpy as np
import tensorflow as tf

from trainer.batch_part import BatchPart, mean_over_examples
from trainer.gates.annealing import QuadraticallyAnnealed
from trainer.gates.balance import make_balance
from trainer.gates.base import Gate, GateOutput, TaskLogits
from trainer.gates.pressure import EntropyPressure, ServingBudget
from trainer.gates.selector_options import DSelectKOptions
from trainer.gates.smooth_step import bits_entropy, keep_open, select_expert, smooth_step

# Of beta: how far from 0 a bit may be that is to stay open.
OPEN = 0.4


class DSelectKGate(Gate):
    """w = sum_{i<=k} softmax(alpha)_i r(S(z_i)), for all tasks at once.

    With n no power of two the codes are the next power's. The mass on codes without an
    expert is penalised (appendix B.2), and weights sum to 1 minus that mass until the gate
    has converged; or each of those codes stands for an expert drawn once by a seed. The
    entropy penalty is summed over selectors and, per example, averaged over the examples.

    While the selectors, rounded, use more experts than a serving budget allows, training
    keeps every bit open (`keep_open`): what is binary could not give up its expert any more.

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
        self.alpha = TaskLogits(
            (tasks, k), self.per_example, uniform(-0.05, 0.05), "alpha", ("tasks", "selectors")
        )
        self.z = TaskLogits(
            (tasks, k, self.num_bits),
            self.per_example,
            uniform(-reach, reach),
            "z",
            ("tasks", "selectors", "bits"),
        )
        options = self.options
        if options.beta_steps is not None:
            dtype = self.compute_dtype
            self.beta = QuadraticallyAnnealed(beta, options.beta_steps, "beta", dtype)
        self.budget = ServingBudget(options, self.compute_dtype, self.spread_all)
        self.pressure = EntropyPressure(options, self.compute_dtype)
        self.balance = make_balance(options.balance, tasks, self.num_experts, k, self.compute_dtype)
        super().build(input_shape)

    def temperature(self) -> float | tf.Tensor:
        """beta at this step."""
        return self.options.beta if self.options.beta_steps is None else self.beta(None)

    def call(
        self, inputs: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> GateOutput:
        """Weights [T, n] or [B, T, n], and its penalties by name."""
        beta, z = self.temperature(), self.z(inputs)  # z: [.., T, k, m]
        excess = self.budget.count_excess(lambda: self._round(z))
        if training and self.budget.is_set:
            reach = tf.cast(OPEN * beta, z.dtype)
            z = keep_open(z, tf.where(excess > 0.0, reach, np.inf))
        bits = smooth_step(z, beta)
        codes = select_expert(bits)  # [.., T, k, 2^m]
        unused = codes[..., self.num_experts :]
        experts = self._experts(codes)  # [.., T, k, n]
        mix = tf.nn.softmax(self.alpha(inputs))  # [.., T, k]
        # A product of many tiny matrices would take several times as long.
        weights = tf.reduce_sum(mix[..., tf.newaxis] * experts, axis=-2)
        entropy = self._total(bits_entropy(bits), part)
        over = self.budget.measure(experts)
        penalties = self.pressure.penalties(entropy) | self.budget.penalties(over)
        if unused.shape[-1] and self.options.unused_codes == "penalty":
            unreachable = tf.reduce_sum(unused, axis=-1)
            mass = self._total(unreachable, part)
            penalties["unreachable"] = self.options.unreachable_weight * mass
        if training:
            penalties |= self.balance.penalties(weights, part)
            self._advance(excess, inputs)
        return GateOutput(weights, penalties)

    def _round(self, z: tf.Tensor) -> tf.Tensor:
        """The expert of each selector if it were binary now, [T, k, n]."""
        return self._experts(select_expert(tf.cast(z > 0.0, z.dtype)))

    def _advance(self, excess: tf.Tensor, inputs: tf.Tensor) -> None:
        # What is binary cannot be changed any more, so all that sharpens waits for the budget.
        is_met = self.budget.advance(excess, inputs)
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
        stands_for = self.expert_of_codes()[self.num_experts :]
        other = tf.one_hot(stands_for, self.num_experts, dtype=codes.dtype)  # [2^m - n, n]
        return used + tf.einsum("...u,un->...n", unused, other)

    def expert_of_codes(self) -> np.ndarray:
        """The expert that each code stands for, [2^m]; -1 for none."""
        num_unused = 2**self.num_bits - self.num_experts
        stands_for = np.full(num_unused, -1)
        if self.options.unused_codes == "random":
            # NumPy promises that this generator's stream never changes.
            stream = np.random.RandomState(self.options.unused_codes_seed)
            stands_for = stream.permutation(self.num_experts)[:num_unused]
        return np.concatenate([np.arange(self.num_experts), stands_for])

    def converged(self) -> tf.Tensor:
        """[T] bool: every S(z) of the task is exactly 0 or 1 (never, per example)."""
        if self.per_example:
            return super().converged()
        bits = smooth_step(tf.convert_to_tensor(self.z.bias), self.temperature())
        return tf.reduce_all((bits == 0.0) | (bits == 1.0), axis=[-2, -1])

    def _total(self, value: tf.Tensor, part: BatchPart | None) -> tf.Tensor:
        """Sums [.., T, k] over tasks and selectors, and averages over examples."""
        total = tf.reduce_sum(value, axis=[-2, -1])  # [] or [B]
        return mean_over_examples(total, part) if self.per_example else total
