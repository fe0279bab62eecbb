"""Noise is a function of the seed, the step and the replica, and of nothing that was before."""

import ast
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer.noise import Dropout, draw_seed, hide, noise_of_step

ROOT = Path(__file__).resolve().parents[2]
OURS = "noise.py"
STATEFUL = {"normal", "uniform", "categorical", "truncated_normal", "shuffle", "gamma", "poisson"}


def draw(seed: int, step: int) -> np.ndarray:
    with noise_of_step(seed, tf.constant(step)):
        return np.stack([tf.random.stateless_uniform([20], draw_seed()) for _ in range(3)])


def test_the_same_step_draws_the_same_whatever_was_drawn_before():
    first = draw(1, 7)
    draw(1, 8)
    tf.random.uniform([3])
    np.testing.assert_array_equal(draw(1, 7), first)


def test_other_steps_other_seeds_and_other_draws_draw_something_else():
    rows = np.concatenate([draw(seed, step) for seed in (1, 2) for step in (7, 8)])
    assert len(np.unique(rows, axis=0)) == len(rows) == 12


def test_replicas_draw_each_their_own_unless_it_is_shared():
    one = noise_of_step(1, tf.constant(3))
    cpu = tf.config.list_logical_devices("CPU")[0].name
    alone = tf.distribute.OneDeviceStrategy(cpu)

    def seeds() -> tuple[tf.Tensor, tf.Tensor]:
        with noise_of_step(1, tf.constant(3)):
            return draw_seed(), draw_seed(is_shared=True)

    with one:
        outside = draw_seed()
    mine, shared = alone.run(seeds)
    assert mine.numpy()[0] == shared.numpy()[0] == outside.numpy()[0] == 3
    assert mine.numpy()[1] == outside.numpy()[1], "the first replica draws as one device does"


def test_without_a_step_it_follows_tensorflows_seed():
    tf.random.set_seed(5)
    first = draw_seed()
    tf.random.set_seed(5)
    np.testing.assert_array_equal(draw_seed(), first)


def test_dropout_scales_what_it_keeps_and_is_off_outside_of_training():
    layer, ones = Dropout(0.25), tf.ones([4, 10_000])
    with noise_of_step(1, tf.constant(0)):
        dropped = layer(ones, training=True).numpy()
    assert set(np.unique(dropped).tolist()) == {0.0, np.float32(1 / 0.75)}
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(layer(ones), ones)


def test_whole_examples_are_hidden():
    ids = tf.ones([10_000, 3], tf.int64)
    hidden = hide(ids, 0.1).numpy()
    assert (hidden.min(axis=1) == hidden.max(axis=1)).all()
    assert (hidden[:, 0] == 0).mean() == pytest.approx(0.1, abs=0.02)


def test_the_trainer_draws_nothing_that_a_resumed_training_would_draw_otherwise():
    found = []
    for path in sorted((ROOT / "trainer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or path.name == OURS:
                continue
            dotted = ast.unparse(node)
            is_random = dotted.startswith("tf.random.") and node.attr in STATEFUL
            if is_random or dotted in ("tf.keras.layers.Dropout", "tf.nn.dropout"):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {dotted}")
    assert found == [], "take `trainer.noise.draw_seed` and a stateless operation"


@pytest.mark.parametrize(("rate", "share"), [(0.2, 51 / 256), (0.5, 0.5), (0.001, 1 / 256)])
def test_dropout_hides_its_share_and_keeps_the_mean(rate, share):
    with noise_of_step(3, tf.constant(1)):
        kept = Dropout(rate)(tf.ones([1000, 331]), training=True).numpy()
    assert np.unique(kept).tolist() == pytest.approx([0.0, 1 / (1 - share)])
    assert (kept == 0).mean() == pytest.approx(share, abs=3e-3)
    # Neighbours come of one random number, and are independent of each other all the same.
    assert np.corrcoef(kept[:, :-1].ravel(), kept[:, 1:].ravel())[0, 1] == pytest.approx(
        0, abs=0.01
    )
    assert (kept == 0).any() and (kept > 0).any()


def test_dropout_leaves_serving_and_a_rate_of_zero_alone():
    values = tf.random.normal([3, 5])
    np.testing.assert_array_equal(Dropout(0.9)(values), values)
    np.testing.assert_array_equal(Dropout(0.0)(values, training=True), values)
