"""How the tasks' losses are balanced: the laws of each way, and that training keeps them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_ranker import make_batch, make_config, make_ranker

from trainer.config import Training
from trainer.loss.balance import UncertaintyBalance
from trainer.loss.gradients import inner_products
from trainer.loss.gradnorm import GradNorm
from trainer.loss.options import LOSS_BALANCES, parse_loss_balance
from trainer.loss.pcgrad import project_conflicting

BALANCED = [kind for kind in LOSS_BALANCES if kind != "fixed"]
GRADIENTS = arrays(np.float32, (3, 4), elements=st.floats(-2, 2, width=16))


def balanced(kind: str | dict, **training) -> tf.Module:
    return make_ranker(make_config(training={"loss_balance": kind, **training}))


def test_fixed_weights_add_nothing_to_the_ranker():
    plain, fixed = make_ranker(make_config()), balanced("fixed")
    assert fixed.loss_balance is None
    assert [w.shape for w in plain.weights] == [w.shape for w in fixed.weights]


# Uncertainty


def test_the_trained_variance_is_twice_the_loss_or_the_mean_squared_error():
    tasks = make_config({"like": {"weight": 3.0}}).tasks
    balance = UncertaintyBalance(tasks)
    losses = np.array([0.7, 0.02, 5.0], np.float32)
    weighted = [tf.constant(v) for v in losses * [1.0, 3.0, 1.0]]
    best = np.log([2 * 0.7, 2 * 0.02, 5.0])
    balance.log_variance.assign(best)
    with tf.GradientTape() as tape:
        total = balance(weighted)
    np.testing.assert_allclose(tape.gradient(total, balance.log_variance), 0.0, atol=1e-6)
    balance.log_variance.assign(best + 0.1)
    assert float(balance(weighted)) > float(total)


def test_at_the_optimum_a_loss_counts_the_inverse_of_its_size():
    balance = UncertaintyBalance(make_config().tasks)
    losses = [tf.Variable(0.7), tf.Variable(0.02), tf.Variable(5.0)]
    balance.log_variance.assign(np.log([2 * 0.7, 2 * 0.02, 5.0]))
    with tf.GradientTape() as tape:
        total = balance(losses)
    slopes = np.array(tape.gradient(total, losses))
    np.testing.assert_allclose(slopes * [0.7, 0.02, 5.0], 0.5, rtol=1e-5)


def test_training_moves_the_variances_toward_it():
    ranker = balanced("uncertainty")
    for i in range(30):
        ranker.train_step(make_batch(seed=i))
    variances = ranker.loss_balance.log_variance.numpy()
    assert (variances != 0).all()
    losses, _ = ranker.task_losses(make_batch(seed=99), training=False)
    best = np.log(np.array([2.0, 2.0, 1.0]) * np.array(losses.tasks))
    assert (np.abs(variances - best) < np.abs(best)).all()


# GradNorm


def test_weights_make_the_gradients_equal():
    balance = GradNorm(3, parse_loss_balance({"kind": "gradnorm", "asymmetry": 0.0}))
    norms = tf.constant([4.0, 1.0, 0.5])
    for _ in range(500):
        balance.advance(tf.ones([3]), norms)
    expected = 3 / np.sum(1 / norms.numpy()) / norms.numpy()
    np.testing.assert_allclose(balance.task_weights, expected, atol=0.1)
    np.testing.assert_allclose(tf.reduce_sum(balance.task_weights), 3.0, rtol=1e-5)


def test_equal_gradients_and_equal_progress_move_nothing():
    balance = GradNorm(3, parse_loss_balance("gradnorm"))
    for share in (1.0, 0.5):
        balance.advance(share * tf.constant([1.0, 2.0, 3.0]), tf.fill([3], 2.0))
    np.testing.assert_allclose(balance.task_weights, 1.0, atol=1e-6)


def test_a_task_that_learns_slowly_gets_more():
    balance = GradNorm(2, parse_loss_balance("gradnorm"))
    balance.advance(tf.constant([1.0, 1.0]), tf.constant([1.0, 1.0]))
    balance.advance(tf.constant([0.9, 0.1]), tf.constant([1.0, 1.0]))
    slow, fast = balance.task_weights.numpy()
    assert slow > 1.0 > fast


def test_a_task_without_a_label_so_far_starts_when_it_has_one():
    balance = GradNorm(2, parse_loss_balance("gradnorm"))
    balance.advance(tf.constant([1.0, 0.0]), tf.constant([1.0, 0.0]))
    balance.advance(tf.constant([1.0, 0.3]), tf.constant([1.0, 1.0]))
    assert balance.start.numpy().tolist() == pytest.approx([1.0, 0.3])
    assert np.isfinite(balance.task_weights).all()


def test_the_step_is_that_of_the_weighted_losses():
    ranker = balanced("gradnorm")
    ranker.loss_balance.shift.assign([1.0, -0.5, -0.5])
    batch = make_batch()
    before = [v.numpy() for v in ranker.trainable_variables]
    with tf.GradientTape() as tape:
        losses, penalty = ranker.task_losses(batch, training=True)
        total = tf.add_n([2.0 * losses.tasks[0], *(0.5 * x for x in losses.tasks[1:])]) + penalty
    slopes = tape.gradient(total, ranker.trainable_variables)
    ranker.train_step(batch)
    for old, slope, new in zip(before, slopes, ranker.trainable_variables, strict=True):
        change = tf.convert_to_tensor(slope) if slope is not None else 0.0
        np.testing.assert_allclose(new.numpy(), old - 0.05 * change, atol=1e-6)


def test_the_norms_are_those_by_the_experts_last_layer():
    ranker = balanced("gradnorm")
    last = ranker.experts.layers[-1]
    assert [v.ref() for v in ranker.shared_variables[-2:]] == [last.kernel.ref(), last.bias.ref()]


# PCGrad


@settings(max_examples=60, deadline=None)
@given(GRADIENTS, st.permutations([0, 1, 2]))
def test_projection_is_that_of_the_paper(gradients, order):
    products = tf.constant(gradients @ gradients.T)
    mixed = project_conflicting(products, tf.constant([order] * 3)).numpy() @ gradients
    for i in range(3):
        expected = gradients[i].astype(np.float64)
        for j in order:
            square = gradients[j] @ gradients[j]
            if j != i and square > 0 and (overlap := expected @ gradients[j]) < 0:
                expected = expected - overlap / square * gradients[j]
        if np.abs(expected).max() < 1e3:
            np.testing.assert_allclose(mixed[i], expected, atol=2e-2, rtol=1e-2)


@settings(max_examples=60, deadline=None)
@given(GRADIENTS)
def test_of_two_in_conflict_each_becomes_orthogonal_to_the_other(gradients):
    gradients = gradients[:2]
    products = tf.constant(gradients @ gradients.T)
    mixed = project_conflicting(products, tf.constant([[1, 0], [0, 1]])).numpy() @ gradients
    if gradients[0] @ gradients[1] < 0:
        np.testing.assert_allclose(mixed[0] @ gradients[1], 0.0, atol=1e-3)
        np.testing.assert_allclose(mixed[1] @ gradients[0], 0.0, atol=1e-3)
    else:
        np.testing.assert_array_equal(mixed, gradients)


def test_inner_products_add_up_rows_that_come_twice():
    table = tf.Variable(tf.random.normal([5, 2]))
    dense = tf.Variable(tf.random.normal([2]))
    with tf.GradientTape(persistent=True) as tape:
        a = tf.reduce_sum(tf.gather(table, [1, 1, 3]) ** 2) + dense[0]
        b = tf.reduce_sum(tf.gather(table, [3, 1, 0]) * dense)
        c = tf.reduce_sum(dense**2)
    found = [tape.gradient(x, [table, dense]) for x in (a, b, c)]
    assert isinstance(found[0][0], tf.IndexedSlices)
    zero = tf.zeros(12)
    whole = [
        tf.concat([tf.reshape(tf.convert_to_tensor(g), [-1]) for g in gs], 0)
        if gs[0] is not None
        else tf.concat([zero[:10], gs[1]], 0)
        for gs in found
    ]
    np.testing.assert_allclose(
        inner_products(found), tf.stack(whole) @ tf.transpose(tf.stack(whole)), rtol=1e-5
    )


def test_without_conflict_the_step_is_the_fixed_one():
    # The same task three times over has no conflict with itself.
    ranker = balanced("pcgrad", l2=1e-3)
    batch = make_batch()
    with tf.GradientTape(persistent=True) as tape:
        losses, penalty = ranker.task_losses(batch, training=True)
    one = losses.tasks[0]
    variables = ranker.trainable_variables
    found = ranker.loss_balance.gradients(
        tape, [one, one, one], penalty, variables, ranker.shared_variables
    )
    expected = tape.gradient([one, one, one, penalty], variables)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(
                tf.convert_to_tensor(a), tf.convert_to_tensor(b), atol=1e-5, rtol=1e-4
            )


def test_what_a_task_has_for_itself_learns_as_ever():
    ranker, fixed = balanced("pcgrad"), balanced("fixed")
    batch = make_batch()
    ranker.train_step(batch)
    fixed.train_step(batch)
    np.testing.assert_allclose(ranker.heads.kernel, fixed.heads.kernel, atol=1e-6)
    np.testing.assert_allclose(
        ranker.towers.layers[0].kernel, fixed.towers.layers[0].kernel, atol=1e-6
    )
    assert np.abs(ranker.experts.layers[0].kernel - fixed.experts.layers[0].kernel).max() > 1e-6


def test_the_order_is_the_same_for_the_same_seed_and_step():
    orders = [balanced("pcgrad", seed=7).loss_balance for _ in range(2)]
    first, second = (
        [balance._draw_order(5).numpy().tolist() for _ in range(3)] for balance in orders
    )
    assert first == second
    assert first[0] != first[1]
    assert all(sorted(row) == list(range(5)) for row in first[0])


# All


@pytest.mark.parametrize("kind", BALANCED)
def test_every_way_trains_by_graph_and_by_union(kind):
    model = {"own_experts": 1}
    config = make_config(
        model=model,
        gate={"kind": "top_k", "experts_per_task": 1},
        training={"loss_balance": kind, "l2": 1e-4},
    )
    ranker = make_ranker(config)
    step = tf.function(lambda batch: ranker.train_step(batch))
    losses = [float(step(make_batch(seed=i))["loss"]) for i in range(3)]
    ranker.narrow()
    for i in range(30):
        ranker.train_step(make_batch(seed=3 + i))
    ranker.widen()
    after = float(ranker.compute_loss(make_batch(seed=50)))
    assert after < losses[0]
    assert np.isfinite(after)


def test_validation_counts_the_weights_of_the_yaml_alone():
    values = []
    for kind in LOSS_BALANCES:
        ranker = make_ranker(
            make_config({"like": {"weight": 3.0}}, training={"loss_balance": kind})
        )
        for state in ranker.loss_balance.weights if ranker.loss_balance else []:
            state.assign(tf.ones_like(state))
        values.append(float(ranker.compute_loss(make_batch())))
    np.testing.assert_allclose(values, values[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("section", "rule"),
    [
        ({"loss_balance": "equal"}, "`kind` must be one of fixed, uncertainty, gradnorm, pcgrad"),
        ({"loss_balance": {"kind": "pcgrad", "asymmetry": 1.0}}, "Extra inputs"),
        ({"loss_balance": {"kind": "gradnorm", "learning_rate": 0.0}}, "greater than 0"),
        (
            {"loss_balance": "gradnorm", "strategy": "parameter_server"},
            "workers of parameter servers step each by itself",
        ),
    ],
)
def test_a_balance_that_cannot_be_is_refused(section, rule):
    with pytest.raises(ValueError, match=re.escape(rule)):
        Training.model_validate(section)


def test_two_replicas_take_the_step_of_one():
    script = Path(__file__).with_name("replica_family.py")
    root = str(script.parents[2])
    environment = os.environ | {"PYTHONPATH": root, "CUDA_VISIBLE_DEVICES": "-1"}
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, cwd=root
    )
    assert run.returncode == 0, run.stderr[-3000:]
