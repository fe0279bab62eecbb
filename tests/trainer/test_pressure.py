"""A serving budget is met by a price that grows, and selectors decide only then."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.gates.dselect_k import DSelectKGate
from trainer.gates.options import DSelectKOptions
from trainer.gates.pressure import Pressure, expected_union

APART = tf.constant([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])  # U = 3


def make_options(**changes):
    return DSelectKOptions(kind="dselect_k", **changes)


def test_the_expected_union_counts_an_expert_once():
    assert float(expected_union(APART)) == 3.0
    assert float(expected_union(tf.repeat(APART[:1], 3, axis=0))) == 1.0


def test_the_price_of_an_expert_grows_with_each_training_step_over_the_budget():
    options = make_options(serving_budget=1, budget_weight=0.5, budget_growth=0.25)
    pressure = Pressure(options, tf.float32)
    over = pressure.over_budget(APART)
    union = []
    for _ in range(3):
        union.append(float(pressure.penalties(tf.constant(0.0), over)["union"]))
        pressure.advance(over, tf.zeros([1]))
    # 2 experts over the budget cost 2 * (0.5 + 0.25 * 2 * number of training steps so far).
    assert union == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("budget", "grown"), [(None, 0.3), (3, 0.3), (2, 0.1)])
def test_the_entropy_weight_grows_only_while_the_budget_is_met(budget, grown):
    options = make_options(serving_budget=budget, entropy_weight=0.1, entropy_growth=0.1)
    pressure = Pressure(options, tf.float32)
    over = pressure.over_budget(APART)
    for _ in range(2):
        pressure.advance(over, tf.zeros([1]))
    entropy = pressure.penalties(tf.constant(1.0), over)["entropy"]
    np.testing.assert_allclose(entropy, grown, rtol=1e-6)


def train(gate: DSelectKGate, costs: tf.Tensor, steps: int) -> float:
    """Trains a gate alone against what each task pays for each expert; the union."""
    inputs = tf.zeros([1, 1])
    gate(inputs)
    optimizer = tf.keras.optimizers.Adam(0.005)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            output = gate(inputs, training=True)
            paid = tf.reduce_sum(costs * output.weights)
            loss = paid + tf.add_n(list(output.penalties.values()))
        variables = gate.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(steps):
        step()
    return float(tf.reduce_sum(tf.cast(tf.reduce_any(gate.selected(), axis=0), tf.int32)))


def test_a_growing_price_meets_a_budget_that_the_tasks_alone_do_not():
    tf.random.set_seed(1)
    costs = tf.constant(np.random.RandomState(0).normal(0, 0.02, [8, 8]), tf.float32)
    growing = {"entropy_weight": 0.0, "entropy_growth": 1e-3}
    alone = DSelectKGate(8, 8, make_options(**growing))
    budgeted = DSelectKGate(
        8, 8, make_options(serving_budget=3, budget_weight=0.0, budget_growth=1e-3, **growing)
    )
    assert train(alone, costs, 500) > 3
    assert train(budgeted, costs, 500) <= 3
    assert bool(tf.reduce_all(budgeted.converged()))
