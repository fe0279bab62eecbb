"""Balance of per-example sparse gates: no expert may take all examples, none may die.

Importance of expert i for a task: I_i = sum_x w_i(x) over the examples x of a step, of all
replicas together, so that every replica sees the same penalty and bars the same experts.

Reference: Pavlitska et al. 2022, arXiv 2204.10598.
"""

import tensorflow as tf

from trainer.batch_part import BatchPart, sum_over_examples
from trainer.gates.balance_options import (
    BalanceSection,
    MeanSection,
    RelativeSection,
    SoftBalanceSection,
)
from trainer.gates.importance import divergence_from_uniform, squared_variation
from trainer.gates.state import add_state


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

    def penalties(self, weights: tf.Tensor, part: BatchPart | None = None) -> dict[str, tf.Tensor]:
        """Looks at the weights [B, T, n] of a training step, and asks its price."""
        return {}


class SoftBalance(Balance):
    """A penalty on uneven importance, summed over tasks."""

    options: SoftBalanceSection

    def penalties(self, weights: tf.Tensor, part: BatchPart | None = None) -> dict[str, tf.Tensor]:
        """The penalty under the name of its kind."""
        importance = sum_over_examples(weights, part)  # [T, n]
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
        self.surplus = add_state(self, "surplus", (self.num_tasks, self.num_experts))
        self.steps = add_state(self, "steps")
        super().build(input_shape)

    def barred(self) -> tf.Tensor:
        """[T, n] bool: over the threshold, and not among the `least` smallest surpluses."""
        surplus = tf.convert_to_tensor(self.surplus)
        _, smallest = tf.math.top_k(-surplus, self.least)  # [T, k]
        open_ = tf.reduce_any(tf.one_hot(smallest, self.num_experts, True, False), axis=-2)
        return (surplus > self.options.threshold) & ~open_

    def restrict(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits [B, T, n], those of barred experts as low as can be."""
        return tf.where(self.barred(), tf.constant(logits.dtype.min, logits.dtype), logits)

    def penalties(self, weights: tf.Tensor, part: BatchPart | None = None) -> dict[str, tf.Tensor]:
        """None; the surplus is brought up to date for the next step."""
        importance = sum_over_examples(tf.stop_gradient(weights), part)  # [T, n]
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
