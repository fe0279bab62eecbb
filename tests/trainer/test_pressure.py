"""A serving budget is met by a price that grows, and selectors decide only then."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.gates.base import Gate
from trainer.gates.pressure import (
    EntropyPressure,
    ServingBudget,
    expected_union,
    round_selectors,
)
from trainer.gates.registry import make_gate, parse_gate
from trainer.gates.selector_options import DSelectKOptions

APART = tf.constant([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])  # U = 3
# NumPy, so that importing this file starts no TensorFlow device.
NOTHING = np.zeros((1, 1), np.float32)
# Any expert is better than none, which only the coins of Gumbel-softmax could choose.
COSTS = tf.constant(np.random.RandomState(0).normal(-0.1, 0.02, [8, 8]), tf.float32)


def make_options(**changes):
    return DSelectKOptions(kind="dselect_k", **changes)


def test_the_expected_union_counts_an_expert_once():
    assert float(expected_union(APART)) == 3.0
    assert float(expected_union(tf.repeat(APART[:1], 3, axis=0))) == 1.0


def test_the_price_of_an_expert_grows_with_each_training_step_over_the_budget():
    options = make_options(serving_budget=1, budget_weight=0.5, budget_growth=np.log(2) / 2)
    budget = ServingBudget(options, tf.float32)
    over, union = budget.measure(APART), []
    for _ in range(3):
        union.append(float(budget.penalties(over)["union"]))
        assert not budget.advance(budget.count_excess(lambda: APART), NOTHING)
    # 2 experts over the budget cost 2 * 0.5 at first, and each step doubles that.
    np.testing.assert_allclose(union, [1.0, 2.0, 4.0], rtol=1e-5)


def test_the_price_grows_by_rounded_selectors_and_not_by_how_soft_they_are():
    budget = ServingBudget(make_options(serving_budget=1), tf.float32)
    soft = tf.constant([[[0.6, 0.4, 0.0]], [[0.6, 0.0, 0.4]]])
    assert float(budget.measure(soft)) > 0.5
    assert budget.advance(budget.count_excess(lambda: round_selectors(soft)), NOTHING)
    assert float(budget.excess) == 0


def test_the_price_falls_to_where_it_started_while_there_is_room_for_more_experts():
    budget, prices = ServingBudget(make_options(serving_budget=2), tf.float32), []
    for experts in (APART, APART, APART[:1], APART[:1], APART[:1]):
        budget.advance(budget.count_excess(lambda now=experts: now), NOTHING)
        prices.append(float(budget.excess))
    assert prices == [1.0, 2.0, 1.0, 0.0, 0.0]


def test_the_price_stays_finite():
    budget = ServingBudget(make_options(serving_budget=1), tf.float32)
    budget.advance(tf.constant(1e9), NOTHING)
    assert 1e8 < float(budget.penalties(tf.constant(1.0))["union"]) < 1e10


def test_without_a_budget_nothing_is_asked_and_every_step_meets_it():
    budget = ServingBudget(make_options(), tf.float32)
    assert budget.penalties(budget.measure(APART)) == {}
    assert budget.advance(budget.count_excess(lambda: APART), NOTHING)
    assert float(budget.excess) == 0


@pytest.mark.parametrize(("budget", "grown"), [(None, 0.3), (3, 0.3), (2, 0.1)])
def test_the_entropy_weight_grows_only_while_the_budget_is_met(budget, grown):
    options = make_options(serving_budget=budget, entropy_weight=0.1, entropy_growth=0.1)
    pressure, serving = EntropyPressure(options, tf.float32), ServingBudget(options, tf.float32)
    for _ in range(2):
        is_met = serving.advance(serving.count_excess(lambda: APART), NOTHING)
        pressure.advance(NOTHING, is_met)
    entropy = pressure.penalties(tf.constant(1.0))["entropy"]
    np.testing.assert_allclose(entropy, grown, rtol=1e-6)


@pytest.mark.parametrize(("budget", "steps"), [(None, 2), (8, 2), (1, 0)])
def test_beta_falls_only_while_the_budget_is_met(budget, steps):
    gate = make_gate(8, 8, make_options(serving_budget=budget, beta_steps=10))
    for _ in range(2):
        gate(NOTHING, training=True)
    assert int(gate.beta.step) == steps
    assert int(gate.pressure.steps_met) == steps


@pytest.mark.parametrize(("budget", "slope"), [(1, True), (2, False), (None, False)])
def test_a_binary_bit_can_turn_only_while_there_are_too_many_experts(budget, slope):
    gate = make_gate(2, 2, make_options(serving_budget=budget, experts_per_task=1))
    gate(NOTHING)
    gate.z.bias.assign([[[-9.0]], [[9.0]]])  # a task has expert 0, the other has 1
    with tf.GradientTape() as tape:
        weights = gate(NOTHING, training=True).weights
        loss = tf.reduce_sum(weights * [[1.0, 0.0], [1.0, 0.0]])
    gradient = tape.gradient(loss, gate.z.bias).numpy().ravel()
    # The first bit is pushed back into the open, the second further out.
    assert (gradient != 0).tolist() == [slope, False]


def test_a_gate_of_the_ablation_grows_its_price_and_its_entropy_weight_too():
    growing = {"serving_budget": 8, "entropy_weight": 0.0, "entropy_growth": 0.5}
    gate = make_gate(2, 8, parse_gate({"kind": "dselect_k_entropy"} | growing))
    assert float(gate(NOTHING, training=True).penalties["entropy"]) == 0
    assert float(gate(NOTHING, training=True).penalties["entropy"]) > 1


def train(section: dict, scale: float = 1.0) -> Gate:
    """Trains a gate of 8 tasks alone against what each task pays for each expert."""
    tf.random.set_seed(1)
    gate = make_gate(8, 8, parse_gate(section))
    gate(NOTHING)
    optimizer = tf.keras.optimizers.Adam(0.005)
    variables = gate.trainable_variables
    optimizer.build(variables)

    @tf.function
    def run() -> None:
        for _ in tf.range(500):
            with tf.GradientTape() as tape:
                output = gate(NOTHING, training=True)
                # The square likes to mix: on its own it leaves selectors soft.
                mixing = tf.reduce_sum(tf.square(output.weights)) / 20.0
                paid = tf.reduce_sum(COSTS * output.weights) + mixing
                loss = scale * (paid + sum(output.penalties.values()))
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    run()
    return gate


def union(gate: Gate) -> int:
    return int(tf.math.count_nonzero(tf.reduce_any(gate.selected(), axis=0)))


BUDGET = {"serving_budget": 3, "budget_growth": 0.01}
SELECTORS = {
    "dselect_k": {"entropy_weight": 0.0, "beta_steps": 300},
    "dselect_k_annealed": {"steps": 500, "start_temperature": 1.0},
}


@pytest.mark.parametrize(("kind", "options"), SELECTORS.items(), ids=SELECTORS)
def test_a_growing_price_meets_a_budget_that_the_tasks_alone_do_not(kind, options):
    alone = {"kind": kind} | options
    assert union(train(alone)) > 3
    budgeted = train(alone | BUDGET)
    assert union(budgeted) <= 3
    assert tf.reduce_all(budgeted.converged())


def test_a_growing_price_takes_experts_from_gumbel_softmax_too():
    alone = {"kind": "gumbel_softmax", "usage_weight": 0.001}
    assert union(train(alone | BUDGET)) < union(train(alone))


def test_a_growing_price_lowers_the_expected_union_of_the_entropy_ablation():
    alone = {"kind": "dselect_k_entropy", "entropy_weight": 0.003}
    few, many = (expected_union(train(alone | more).selectors()) for more in (BUDGET, {}))
    assert few < 0.8 * many


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_falling_beta_makes_selectors_binary_whatever_the_scale_of_the_losses(scale):
    alone = {"kind": "dselect_k", "entropy_weight": 0.0}
    soft, sharp = train(alone, scale), train(alone | {"beta_steps": 400}, scale)
    assert not tf.reduce_all(soft.converged())
    assert tf.reduce_all(sharp.converged())
    assert (soft.will_converge, sharp.will_converge) == (False, True)
