"""The Gumbel-softmax gate: AdaShare's coins, for experts."""

import tensorflow as tf

from trainer.gates.base import Gate, GateOutput, TaskLogits
from trainer.gates.options import GumbelSoftmaxOptions
from trainer.gates.pressure import ServingBudget
from trainer.noise import draw_seed

_TINY = 1e-20


class GumbelSoftmaxGate(Gate):
    """d_i = softmax(alpha)_i U_i with U_i ~ Bernoulli(p_i), p = sigmoid(logits). Static.

    In training U is relaxed: softmax over (use, do not use) of the log chances plus Gumbel
    noise, over the temperature. The difference of two Gumbels is logistic, so
    U = sigmoid((logits + logistic noise) / temperature). At serving U_i is 1 where
    p_i >= 1/2, and for the task's likeliest expert, so that no task is left without one.

    Weights sum to at most 1, not to 1, and k cannot be set. The penalty
    lambda * sum_i log p_i drives the chances down. A serving budget counts each expert with
    the chance that any task uses it, 1 - prod_t (1 - p_ti).

    Example:
        >>> gate = GumbelSoftmaxGate(2, 8, GumbelSoftmaxOptions(kind="gumbel_softmax"))
        >>> gate(tf.zeros([1, 3])).weights.shape
        TensorShape([2, 8])

    Reference: Sun et al. 2020, arXiv 1911.12423.
    """

    options: GumbelSoftmaxOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes alpha [T, n] and the logits of the coins [T, n]; every coin starts fair."""
        shape = (self.num_tasks, self.num_experts)
        uniform = tf.keras.initializers.RandomUniform
        self.alpha = TaskLogits(shape, False, uniform(-0.05, 0.05), name="alpha")
        self.coins = TaskLogits(shape, False, uniform(0.0, 0.05), name="coins")
        self.alpha.build(input_shape)
        self.coins.build(input_shape)
        self.budget = ServingBudget(self.options, self.compute_dtype, self.spread_all)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, n], the penalty summed over tasks, and that of the budget."""
        logits = tf.convert_to_tensor(self.coins.bias)
        uses = self._toss(logits) if training else self._decide(logits)
        weights = tf.nn.softmax(self.alpha.bias) * uses
        penalty = self.options.usage_weight * tf.reduce_sum(tf.math.log_sigmoid(logits))
        over = self.budget.measure(tf.sigmoid(logits)[:, tf.newaxis])  # of [T, 1, n]
        penalties = {"usage": penalty} | self.budget.penalties(over)
        if training:
            excess = self.budget.count_excess(lambda: self._decide(logits)[:, tf.newaxis])
            self.budget.advance(excess, inputs)
        return GateOutput(weights, penalties)

    def _toss(self, logits: tf.Tensor) -> tf.Tensor:
        seed = draw_seed(is_shared=True)
        noise = tf.random.stateless_uniform(logits.shape, seed, _TINY, 1.0, logits.dtype)
        logistic = tf.math.log(noise) - tf.math.log(tf.maximum(1.0 - noise, _TINY))
        return tf.sigmoid((logits + logistic) / self.options.temperature)

    def _decide(self, logits: tf.Tensor) -> tf.Tensor:
        likeliest = tf.one_hot(tf.argmax(logits, axis=-1), self.num_experts, True, False)
        return tf.cast((logits >= 0.0) | likeliest, logits.dtype)
