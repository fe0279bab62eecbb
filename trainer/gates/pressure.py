"""How hard DSelect-k's selectors are driven to one expert each, and to few experts together."""

import tensorflow as tf

from trainer.gates.options import DSelectKOptions
from trainer.gates.state import add_state

# Of an expert: the budget counts as met although the selectors still waver a little.
_MET = 0.02


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


class Pressure(tf.keras.layers.Layer):
    """The weights lambda of the entropy and lambda_U of the union, which may grow in training.

    lambda_U = budget_weight + budget_growth * sum of max(0, U - budget) over the steps so
    far: dual ascent, so the price of an expert rises only as long as there are too many, and
    those that tasks need least go first. lambda = entropy_weight + entropy_growth * number
    of steps that met the budget: what becomes binary cannot be changed any more, so the
    selectors are made to decide only when the budget is met. Both are in the checkpoint.

    Args:
        options: of the gate.
        dtype: of the weights.

    Example:
        >>> options = DSelectKOptions(
        ...     kind="dselect_k", entropy_weight=0.5, serving_budget=1, budget_weight=2.0
        ... )
        >>> two = tf.constant([[[1.0, 0.0]], [[0.0, 1.0]]])
        >>> pressure = Pressure(options, tf.float32)
        >>> penalties = pressure.penalties(tf.constant(1.0), pressure.over_budget(two))
        >>> {name: float(value) for name, value in penalties.items()}
        {'entropy': 0.5, 'union': 2.0}
    """

    def __init__(self, options: DSelectKOptions, dtype: tf.DType) -> None:
        super().__init__(name="pressure", dtype=dtype)
        self.options = options
        self.excess = add_state(self, "excess")
        self.steps_met = add_state(self, "steps_met")

    def over_budget(self, experts: tf.Tensor) -> tf.Tensor:
        """max(0, U - budget), a scalar; 0 without a budget.

        Args:
            experts: each selector's share of each expert, [T, k, n] if there is a budget.
        """
        if self.options.serving_budget is None:
            return tf.zeros([], self.compute_dtype)
        return tf.nn.relu(expected_union(experts) - self.options.serving_budget)

    def penalties(self, entropy: tf.Tensor, over: tf.Tensor) -> dict[str, tf.Tensor]:
        """The weighted penalties.

        Args:
            entropy: of all selectors, a scalar.
            over: from `over_budget`.
        """
        options = self.options
        entropy_weight = options.entropy_weight + options.entropy_growth * self.steps_met
        penalties = {"entropy": entropy_weight * entropy}
        if options.serving_budget is not None:
            budget_weight = options.budget_weight + options.budget_growth * self.excess
            penalties["union"] = budget_weight * over
        return penalties

    def advance(self, over: tf.Tensor, inputs: tf.Tensor) -> None:
        """One training step is done: the weights grow.

        Args:
            over: from `over_budget`.
            inputs: of the step. A step that finds no more examples ends in the middle, and
                without them it would be counted.
        """
        with tf.control_dependencies([inputs]):
            self.excess.assign_add(over)
            self.steps_met.assign_add(tf.cast(over < _MET, over.dtype))
