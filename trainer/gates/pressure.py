"""What drives selectors to few experts together, and each of them to one expert."""

from collections.abc import Callable

import tensorflow as tf

from trainer.gates.options import BudgetedSection
from trainer.gates.selector_options import EntropySection
from trainer.gates.state import add_state

# exp(25) is 7e10: above any loss, and far from what 32 bits cannot hold.
_MAX_GROWTH = 25.0


def round_selectors(selectors: tf.Tensor) -> tf.Tensor:
    """1 for each selector's likeliest expert, 0 for the others: [.., n] -> [.., n].

    Example:
        >>> round_selectors(tf.constant([0.2, 0.5, 0.3])).numpy().tolist()
        [0.0, 1.0, 0.0]
    """
    likeliest = tf.argmax(selectors, axis=-1)
    return tf.one_hot(likeliest, selectors.shape[-1], dtype=selectors.dtype)


def expected_union(experts: tf.Tensor) -> tf.Tensor:
    """U = sum_i [1 - prod_{t,s} (1 - r_{t,s,i})]: how many experts all tasks use together.

    Smooth in the selectors, at most n, and once they are binary exactly the size of the
    union, which is what serving must compute.

    Args:
        experts: r, the chance that a task's selector takes an expert, [T, k, n].

    Example:
        >>> float(expected_union(tf.constant([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]])))
        2.0
    """
    return tf.reduce_sum(1.0 - _product(1.0 - experts))


@tf.custom_gradient
def _product(factors: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """[T, k, n] -> [n].

    TensorFlow's own gradient takes several times as long, to be right where a factor is 0
    too. There a selector is binary and has no slope, so any number will do.
    """
    product = tf.reduce_prod(factors, axis=[0, 1])
    return product, lambda upstream: tf.math.divide_no_nan(upstream * product, factors)


class ServingBudget(tf.keras.layers.Layer):
    """The penalty lambda_U * max(0, U - budget), whose weight grows until the budget is met.

    lambda_U = budget_weight * exp(budget_growth * max(0, sum of the excess over the steps so
    far)). The excess of a step is how many experts more than the budget all selectors would
    use if each were rounded to one now; below 0 if fewer. U alone is above the budget as
    long as selectors are soft. So the price rises and falls by the same factors whatever the
    scale of the losses, and what tasks need least goes first. The sum is in the checkpoint.

    Args:
        options: of the gate; without a budget there is no penalty, and it is always met.
        dtype: of the weights.
        spread: from the experts that each task has to all that there are, [T, n]; by default
            they are the same.

    Example:
        >>> options = BudgetedSection(kind="mine", serving_budget=1, budget_weight=2.0)
        >>> two = tf.constant([[[1.0, 0.0]], [[0.0, 1.0]]])
        >>> budget = ServingBudget(options, tf.float32)
        >>> float(budget.penalties(budget.measure(two))["union"])
        2.0
        >>> float(budget.count_excess(lambda: two))
        1.0
    """

    def __init__(
        self,
        options: BudgetedSection,
        dtype: tf.DType,
        spread: Callable[..., tf.Tensor] | None = None,
    ) -> None:
        super().__init__(name="budget", dtype=dtype)
        self.options = options
        self._spread = spread
        self.excess = add_state(self, "excess")

    @property
    def is_set(self) -> bool:
        """Whether there is a budget."""
        return self.options.serving_budget is not None

    def measure(self, experts: tf.Tensor) -> tf.Tensor:
        """max(0, U - budget), a scalar; 0 without a budget.

        Args:
            experts: each selector's chance of each expert, [T, k, n] if there is a budget.
        """
        if self.options.serving_budget is None:
            return tf.zeros([], self.compute_dtype)
        return tf.nn.relu(expected_union(self._of_all(experts)) - self.options.serving_budget)

    def count_excess(self, make_rounded: Callable[[], tf.Tensor]) -> tf.Tensor:
        """How many experts more than the budget would serve, a scalar; 0 without a budget.

        Args:
            make_rounded: 1 for what each selector would use if it were binary now, else 0,
                [T, k, n]; called only if there is a budget.
        """
        if self.options.serving_budget is None:
            return tf.zeros([], self.compute_dtype)
        used = tf.reduce_max(self._of_all(make_rounded()), axis=[0, 1])  # [n]
        return tf.reduce_sum(used) - self.options.serving_budget

    def _of_all(self, selectors: tf.Tensor) -> tf.Tensor:
        """[T, k, experts of a task] -> [T, k, all experts], in some order of the first two."""
        if self._spread is None:
            return selectors
        return self._spread(tf.transpose(selectors, [1, 0, 2]))

    def penalties(self, over: tf.Tensor) -> dict[str, tf.Tensor]:
        """The weighted penalty, if there is a budget.

        Args:
            over: from `measure`.
        """
        if not self.is_set:
            return {}
        grown = tf.minimum(self.options.budget_growth * self.excess, _MAX_GROWTH)
        return {"union": self.options.budget_weight * tf.exp(grown) * over}

    def advance(self, excess: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
        """One training step is done: the weight grows, or falls if there is room for more.

        Args:
            excess: from `count_excess`.
            inputs: of the step. A step that finds no more examples ends in the middle, and
                without them it would be counted.

        Returns:
            Whether the step met the budget.
        """
        with tf.control_dependencies([inputs]):
            self.excess.assign(tf.nn.relu(self.excess + excess))
        return excess <= 0.0


class EntropyPressure(tf.keras.layers.Layer):
    """The penalty lambda * entropy, whose weight may grow in training.

    lambda = entropy_weight + entropy_growth * number of steps that met the budget: what is
    binary cannot be changed any more, so the selectors are made to decide only when the
    budget is met. The number is in the checkpoint.

    Args:
        options: of the gate.
        dtype: of the weights.
    """

    def __init__(self, options: EntropySection, dtype: tf.DType) -> None:
        super().__init__(name="pressure", dtype=dtype)
        self.options = options
        self.steps_met = add_state(self, "steps_met")

    def penalties(self, entropy: tf.Tensor) -> dict[str, tf.Tensor]:
        """The weighted penalty on the entropy of all selectors, a scalar."""
        options = self.options
        weight = options.entropy_weight + options.entropy_growth * self.steps_met
        return {"entropy": weight * entropy}

    def advance(self, inputs: tf.Tensor, is_met: tf.Tensor) -> None:
        """One training step is done: the weight grows if it met the budget."""
        with tf.control_dependencies([inputs]):
            self.steps_met.assign_add(tf.cast(is_met, self.steps_met.dtype))
