"""Balance of per-example sparse gates: no expert may take all examples, none may die.

Importance of expert i for a task: I_i = sum_x w_i(x) over the examples x of a step, of all
replicas together, so that every replica sees the same penalty and bars the same experts.

Reference: Pavlitska et al. 2022, arXiv 2204.10598.
"""

import tensorflow as tf

from trainer.gates.balance_options import (
    BalanceSection,
    MeanSection,
    RelativeSection,
    SoftBalanceSection,
)

_EPSILON = 1e-10
# Of a fair share; an expert with less is dead.
_LIVING_SHARE = 0.01


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The sum of all replicas' values; its gradient reaches every replica."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def squared_variation(importance: tf.Tensor) -> tf.Tensor:
    """CV^2 = Var(I) / (Mean(I)^2 + 1e-10).

    Args:
        importance: I, [..., n].

    Returns:
        [...].

    Example:
        >>> float(squared_variation(tf.constant([1.0, 3.0])))
        0.25
    """
    mean = tf.reduce_mean(importance, axis=-1)
    return tf.math.reduce_variance(importance, axis=-1) / (tf.square(mean) + _EPSILON)


def divergence_from_uniform(importance: tf.Tensor) -> tf.Tensor:
    """KL = sum_i P_i log(n P_i), P = I / sum(I), with 0 log 0 = 0.

    Args:
        importance: I, [..., n].

    Returns:
        [...]; in [0, log n].

    Example:
        >>> divergence_from_uniform(tf.constant([1.0, 1.0])).numpy().tolist()
        0.0
    """
    num_experts = tf.cast(tf.shape(importance)[-1], importance.dtype)
    total = tf.reduce_sum(importance, axis=-1, keepdims=True)
    shares = tf.math.divide_no_nan(importance, total)
    positive = shares > 0.0
    logs = tf.math.log(tf.where(positive, num_experts * shares, tf.ones_like(shares)))
    return tf.reduce_sum(shares * logs, axis=-1)


def living_experts(importance: tf.Tensor) -> tf.Tensor:
    """How many experts have at least a hundredth of a fair share of the importance.

    Args:
        importance: I, [..., n].

    Returns:
        [...], int32.

    Example:
        >>> int(living_experts(tf.constant([5.0, 1.0, 0.0])))
        2
    """
    fair = tf.reduce_mean(importance, axis=-1, keepdims=True)
    return tf.reduce_sum(tf.cast(importance > _LIVING_SHARE * fair, tf.int32), axis=-1)


class ImportanceMeasures(tf.keras.metrics.Metric):
    """How a per-example gate uses its experts over a whole split.

    The result is, each averaged over tasks, `living_experts` and `importance_cv`, the
    coefficient of variation of the importance.

    Args:
        num_tasks: T.
        num_experts: n.
    """

    def __init__(self, num_tasks: int, num_experts: int) -> None:
        super().__init__("gate_importance", dtype=tf.float32)
        self.importance = self.add_weight(
            "importance", shape=(num_tasks, num_experts), initializer="zeros"
        )

    def update_state(self, weights: tf.Tensor) -> None:
        """Adds the weights [B, T, n] of a batch."""
        self.importance.assign_add(tf.reduce_sum(tf.cast(weights, self.dtype), axis=0))

    def reset_state(self) -> None:
        """Forgets all examples."""
        self.importance.assign(tf.zeros_like(self.importance))

    def result(self) -> dict[str, tf.Tensor]:
        """Name -> scalar."""
        importance = tf.convert_to_tensor(self.importance)
        living = tf.cast(living_experts(importance), self.dtype)
        variation = tf.sqrt(squared_variation(importance))
        return {
            "living_experts": tf.reduce_mean(living),
            "importance_cv": tf.reduce_mean(variation),
        }


class Balance(tf.keras.layers.Layer):
    """Base of all kinds; on its own it leaves the gate as it is.

    Args:
        options: the `balance` section.
        num_tasks: T.
        num_experts: n.
        least: k, how many experts must stay open.
        dtype: of the gate's weights.
    """

    def __init__(
        self,
        options: BalanceSection | None,
        num_tasks: int,
        num_experts: int,
        least: int,
        dtype: tf.DType,
    ) -> None:
        super().__init__(name="balance", dtype=dtype)
        self.options = options
        self.num_tasks = num_tasks
        self.num_experts = num_experts
        self.least = least

    def restrict(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits [B, T, n] of a training step, those of barred experts as low as can be."""
        return logits

    def penalties(self, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        """Looks at the weights [B, T, n] of a training step, and asks its price."""
        return {}


class SoftBalance(Balance):
    """A penalty on uneven importance, summed over tasks."""

    options: SoftBalanceSection

    def penalties(self, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        """The penalty under the name of its kind."""
        importance = sum_over_replicas(tf.reduce_sum(weights, axis=0))  # [T, n]
        is_kl = self.options.kind == "kl"
        uneven = divergence_from_uniform if is_kl else squared_variation
        return {
            f"balance_{self.options.kind}": self.options.weight * tf.reduce_sum(uneven(importance))
        }


class HardBalance(Balance):
    """Bars experts whose running surplus is over the threshold, but never too many.

    relative: R_i <- R_i + (I_i - |X|/n) / (|X|/n), from 0.
    mean: the surplus is M_i - 1/n, M_i the running mean of I_i / |X| over the steps.
    """

    options: RelativeSection | MeanSection

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the state: surplus [T, n] and the number of steps; both are checkpointed."""
        self.surplus = self._state("surplus", (self.num_tasks, self.num_experts))
        self.steps = self._state("steps", ())
        super().build(input_shape)

    def _state(self, name: str, shape: tuple[int, ...]) -> tf.Variable:
        # Each replica sees the importance over all of them, so any replica's value is right.
        return self.add_weight(
            name,
            shape=shape,
            initializer="zeros",
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def barred(self) -> tf.Tensor:
        """[T, n] bool: over the threshold, and not among the `least` smallest surpluses."""
        surplus = tf.convert_to_tensor(self.surplus)
        _, smallest = tf.math.top_k(-surplus, self.least)  # [T, k]
        open_ = tf.reduce_any(tf.one_hot(smallest, self.num_experts, True, False), axis=-2)
        return (surplus > self.options.threshold) & ~open_

    def restrict(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits [B, T, n], those of barred experts as low as can be."""
        return tf.where(self.barred(), tf.constant(logits.dtype.min, logits.dtype), logits)

    def penalties(self, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        """None; the surplus is brought up to date for the next step."""
        importance = sum_over_replicas(tf.reduce_sum(tf.stop_gradient(weights), axis=0))  # [T, n]
        # The weights of an example sum to 1, so the mean importance is |X| / n.
        excess = importance / tf.reduce_mean(importance, axis=-1, keepdims=True) - 1.0
        # A step that finds no more examples ends in the middle: it must not count.
        with tf.control_dependencies([excess]):
            self.steps.assign_add(1.0)
        if self.options.kind == "relative":
            self.surplus.assign(self.surplus + excess)
        else:
            self.surplus.assign(
                self.surplus + (excess / self.num_experts - self.surplus) / self.steps
            )
        return {}


def make_balance(
    options: BalanceSection | None, num_tasks: int, num_experts: int, least: int, dtype: tf.DType
) -> Balance:
    """The balance that the YAML asks for; None for none.

    Args:
        options: the `balance` section.
        num_tasks: T.
        num_experts: n.
        least: k.
        dtype: of the gate's weights.
    """
    kind = Balance if options is None else HardBalance if options.is_hard else SoftBalance
    balance = kind(options, num_tasks, num_experts, least, dtype)
    balance.build(tf.TensorShape([]))
    return balance
