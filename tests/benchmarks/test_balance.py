"""The model of the experiment `balance`, and what it measures."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.experiments.balance import Setup, train
from benchmarks.experiments.balance_model import SparseExperts
from tests.benchmarks.mnist_files import write_images

TOP_2 = {"kind": "top_k", "per_example": True, "experts_per_task": 2}
FEATURES = 6


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.standard_normal((40, FEATURES)), tf.float32)
    return inputs, tf.constant(rng.integers(10, size=40), tf.int32)


def runs_of(gate, rates):
    tf.random.set_seed(1)
    return SparseExperts(gate, num_experts=4, units=3, rates=rates, num_features=FEATURES)


def test_with_every_expert_open_the_gate_serves_as_it_is(examples):
    runs = runs_of(TOP_2, [0.1, 0.1])
    served = runs.gate(examples[0]).weights
    importance = runs.measure(*examples, runs.all_open()).importance
    np.testing.assert_allclose(importance, tf.reduce_sum(served, axis=0), rtol=1e-5)


def test_a_switched_off_expert_hands_its_examples_to_the_others(examples):
    runs = runs_of(TOP_2, [0.1])
    is_open = tf.constant([[True, False, True, True]])
    importance = runs.measure(*examples, is_open).importance.numpy()[0]
    assert importance[1] == 0.0 and importance.sum() == pytest.approx(40)


def test_the_last_open_expert_takes_everything(examples):
    runs = runs_of(TOP_2, [0.1])
    importance = runs.measure(*examples, tf.constant([[False, False, True, False]])).importance
    np.testing.assert_allclose(importance, [[0.0, 0.0, 40.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("gate", [TOP_2, {"kind": "noisy_top_k"}, {"kind": "sampled"}])
def test_each_run_learns_at_its_own_rate(examples, gate):
    runs = runs_of(gate, [0.0, 0.1])
    gate_kernel = runs.gate.logits.kernel
    before = [v.numpy() for v in (gate_kernel, runs.gate.logits.bias, runs.kernel, runs.head)]
    runs.train_epoch(*examples, tf.reshape(tf.range(40), (2, 20)))
    after = [v.numpy() for v in (gate_kernel, runs.gate.logits.bias, runs.kernel, runs.head)]
    # The gate's kernel has the runs side by side: [d, R n].
    assert np.array_equal(before[0][:, :4], after[0][:, :4])
    assert not np.array_equal(before[0][:, 4:], after[0][:, 4:])
    for old, new in zip(before[1:], after[1:], strict=True):
        assert np.array_equal(old[0], new[0]) and not np.array_equal(old[1], new[1])


def test_runs_side_by_side_are_the_runs_alone(examples):
    order = tf.reshape(tf.range(40), (2, 20))
    both, alone = runs_of(TOP_2, [0.1, 0.05]), runs_of(TOP_2, [0.05])
    alone.gate.logits.kernel.assign(both.gate.logits.kernel[:, 4:])
    for one, two in zip(alone.variables_trained, both.variables_trained, strict=True):
        if one.shape[0] == 1:
            one.assign(two[1:])
    both.train_epoch(*examples, order)
    alone.train_epoch(*examples, order)
    losses = both.measure(*examples, both.all_open()).losses
    np.testing.assert_allclose(
        losses[1:], alone.measure(*examples, alone.all_open()).losses, rtol=1e-5
    )


def test_a_trial_tells_use_and_accuracy_of_the_experts(tmp_path):
    write_images(tmp_path, 200)
    setup = Setup(data=tmp_path, num_experts=4, units=3, train=140, batch_size=20, epochs=1)
    gate = TOP_2 | {"balance": {"kind": "relative"}}
    trials = [{"gate": gate, "learning_rate": 0.01, "seed": seed} for seed in (0, 1)]
    for result in train(trials, setup):
        end = result["any"]
        assert 1 <= end["living"] <= 4 and result["converged"] is None
        assert len(end["accuracy_by_active"]) == 4
        assert end["accuracy_by_active"][-1] == pytest.approx(end["accuracy"], abs=1e-5)
