"""DSelect-k with softmax selectors: the ablations that show what the smooth step is for."""

import tensorflow as tf

from trainer.gates.annealing import LogUniformlyAnnealed
from trainer.gates.base import Gate, GateOutput, TaskLogits
from trainer.gates.pressure import EntropyPressure, ServingBudget, round_selectors
from trainer.gates.selector_options import AnnealedOptions, EntropyOptions


def entropy(shares: tf.Tensor) -> tf.Tensor:
    """H(p) = -sum_i p_i log p_i, with 0 log 0 = 0.

    Args:
        shares: p, [..., n].

    Returns:
        [...]; its gradient is finite where a share is 0.

    Example:
        >>> round(float(entropy(tf.constant([0.5, 0.5, 0.0]))), 4)
        0.6931
    """
    return -tf.reduce_sum(tf.math.xlogy(shares, shares), axis=-1)


class SoftmaxSelectorsGate(Gate):
    """w = sum_{i<=k} softmax(alpha)_i softmax(gamma_i / tau): base of both ablations.

    A selector is binary when its softmax is exactly 0 for all experts but one.
    """

    options: AnnealedOptions | EntropyOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes alpha [T, k] and gamma [T, k, n]."""
        tasks, k = self.num_tasks, self.options.experts_per_task
        uniform = tf.keras.initializers.RandomUniform
        self.alpha = TaskLogits(
            (tasks, k), False, uniform(-0.05, 0.05), "alpha", ("tasks", "selectors")
        )
        self.gamma = TaskLogits(
            (tasks, k, self.num_experts),
            False,
            uniform(-0.05, 0.05),
            "gamma",
            ("tasks", "selectors", "experts"),
        )
        self.alpha.build(input_shape)
        self.gamma.build(input_shape)
        self.budget = ServingBudget(self.options, self.compute_dtype, self.spread_all)
        super().build(input_shape)

    def selectors(self) -> tf.Tensor:
        """softmax(gamma / tau): [T, k, n]."""
        return tf.nn.softmax(self.gamma.bias / self.temperature())

    def temperature(self) -> tf.Tensor:
        """tau, a scalar."""
        raise NotImplementedError

    def mix(self, selectors: tf.Tensor) -> tf.Tensor:
        """[T, k, n] -> the weights [T, n]."""
        return tf.einsum("tk,tkn->tn", tf.nn.softmax(self.alpha.bias), selectors)

    def advance_budget(self, selectors: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
        """One training step is done; whether it met the budget."""
        excess = self.budget.count_excess(lambda: round_selectors(selectors))
        return self.budget.advance(excess, inputs)

    def converged(self) -> tf.Tensor:
        """[T] bool: every selector of the task is exactly one expert."""
        # Its one share is 1, or on some processors the next number below.
        used = tf.math.count_nonzero(self.selectors(), axis=-1)  # [T, k]
        return tf.reduce_all(used == 1, axis=-1)


class AnnealedGate(SoftmaxSelectorsGate):
    """The ablation (a): tau falls log-uniformly from `start_temperature` to 1e-16.

    Example:
        >>> gate = AnnealedGate(2, 8, AnnealedOptions(kind="dselect_k_annealed"))
        >>> gate(tf.zeros([1, 3])).weights.shape
        TensorShape([2, 8])
    """

    options: AnnealedOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the temperature too, which is in the checkpoint."""
        super().build(input_shape)
        options = self.options
        self.tau = LogUniformlyAnnealed(
            options.start_temperature, options.steps, "tau", self.compute_dtype
        )

    @property
    def will_converge(self) -> bool:
        """Always: tau falls to where the softmax is binary."""
        return True

    def temperature(self) -> tf.Tensor:
        """tau at this step."""
        return self.tau(None)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n] and the penalty of a budget. A training step lowers tau for the next."""
        selectors = self.selectors()
        over = self.budget.measure(selectors)
        output = GateOutput(self.mix(selectors), self.budget.penalties(over))
        if training:
            self.advance_budget(selectors, inputs)
            # A high temperature spreads every selector over all experts: were tau to wait for
            # the budget, the budget would wait for tau.
            self.tau.advance(inputs)
        return output


class EntropyGate(SoftmaxSelectorsGate):
    """The ablation (b): tau = 1 and the penalty lambda * sum of the selectors' entropies.

    Softmax reaches 0 only where the exponential underflows, so it seldom converges.

    Example:
        >>> gate = EntropyGate(2, 8, EntropyOptions(kind="dselect_k_entropy"))
        >>> sorted(gate(tf.zeros([1, 3])).penalties)
        ['entropy']
    """

    options: EntropyOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the weight of the penalty too, which may grow."""
        super().build(input_shape)
        self.pressure = EntropyPressure(self.options, self.compute_dtype)

    def temperature(self) -> tf.Tensor:
        """1."""
        return tf.ones([], self.compute_dtype)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n], the entropy penalty summed over tasks and selectors, the budget's."""
        selectors = self.selectors()
        penalties = self.pressure.penalties(tf.reduce_sum(entropy(selectors)))
        over = self.budget.measure(selectors)
        penalties |= self.budget.penalties(over)
        if training:
            self.pressure.advance(inputs, self.advance_budget(selectors, inputs))
        return GateOutput(self.mix(selectors), penalties)
