"""Routers inside TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimators import skip_ops, unbiased
from trainer.estimators.capacity import capacity_of, log_softmax
from trainer.estimators.ops import estimating_weights, make_route
from trainer.estimators.registry import ROUTERS, UNBIASED
from trainer.noise import draw_seed, noise_of_step

LOGITS = np.random.default_rng(0).normal(size=(6, 3))
LOSSES = np.random.default_rng(1).normal(size=(6, 3))
every_router = pytest.mark.parametrize("name", ROUTERS)


def make(name, factor=1.0):
    """A route; `top_k_dropped` keeps two experts an example."""
    return make_route(name, factor, 2 if name == "top_k_dropped" else 1)


@pytest.mark.parametrize("name", sorted(set(ROUTERS) - {"skip"}))
def test_a_route_on_the_host_is_the_router_with_the_noise_of_the_step(name):
    with noise_of_step(3, tf.constant(5)):
        seed = tf.random.stateless_uniform([2], draw_seed(), 0, tf.int32.max, tf.int32).numpy()
    with noise_of_step(3, tf.constant(5)):
        weights = make(name)(tf.constant(LOGITS))
    expected = ROUTERS[name](LOGITS, 2, np.random.default_rng(seed))
    np.testing.assert_array_equal(weights, expected)


@every_router
def test_a_seed_repeats_a_sequence_of_batches(name):
    route, runs = tf.function(make(name)), []
    for _ in range(2):
        tf.random.set_seed(3)
        runs.append([route(tf.constant(LOGITS)).numpy() for _ in range(8)])
    np.testing.assert_array_equal(*runs)
    assert name == "top_k_dropped" or any((batch != runs[0][0]).any() for batch in runs[0])


@every_router
@pytest.mark.parametrize("factor", [1.0, 1.25, 3.0])
def test_the_capacity_is_that_of_the_batch_that_comes(name, factor):
    route = tf.function(make(name, factor), input_signature=[tf.TensorSpec([None, 3])])
    for size in (1, 7, 64, 0):
        weights = route(tf.zeros([size, 3])).numpy()
        assert weights.shape == (size, 3)
        assert (weights > 0).sum(axis=0).max() <= capacity_of(size, 3, factor)
        assert weights.any() or not size


@every_router
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_weights_have_the_dtype_of_the_logits_and_no_gradient(name, dtype):
    logits = tf.Variable(LOGITS, dtype=dtype)
    with tf.GradientTape() as tape:
        weights = make(name)(logits)
    assert weights.dtype == dtype
    assert tape.gradient(weights, logits) is None


@pytest.mark.parametrize("capacity", [1, 2, 5, 20])
def test_skip_in_tensorflow_weighs_as_the_one_of_numpy(capacity):
    rng = np.random.default_rng(capacity)
    choices, keys = rng.integers(4, size=(5, 20)), rng.random((5, 20))
    np.testing.assert_allclose(
        skip_ops.skip_weights(tf.constant(choices), tf.constant(keys), 4, tf.constant(capacity)),
        unbiased.skip_weights(choices, keys, 4, capacity),
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_skip_in_tensorflow_samples_from_the_gate_and_keeps_every_example_alike(jit_compile):
    logits = tf.constant(np.broadcast_to(LOGITS, (20_000, *LOGITS.shape)), tf.float32)
    weights = tf.function(skip_ops.route_skip, jit_compile=jit_compile)(logits, 1.0).numpy()
    deviation = weights.std(axis=0) / np.sqrt(len(weights))
    error = np.abs(weights.mean(axis=0) - np.exp(log_softmax(LOGITS))) / deviation
    assert error.max() < 4.5


@pytest.mark.parametrize("name", UNBIASED)
def test_the_weights_make_the_gradient_of_the_definition(name):
    weights = UNBIASED[name](LOGITS, 2, np.random.default_rng(0))
    logits, losses = tf.Variable(LOGITS), tf.Variable(LOSSES)
    with tf.GradientTape() as tape:
        counts = estimating_weights(tf.constant(weights), tf.nn.log_softmax(logits))
        loss = tf.reduce_sum(counts * losses) / len(LOGITS)
    to_logits, to_losses = tape.gradient(loss, [logits, losses])
    probs = np.exp(log_softmax(LOGITS))
    scored = weights * LOSSES  # the score function of a softmax: one hot minus p
    expected = (scored - scored.sum(axis=1, keepdims=True) * probs) / len(LOGITS)
    np.testing.assert_allclose(to_logits, expected, atol=1e-12)
    np.testing.assert_allclose(to_losses, weights / len(LOGITS), atol=1e-12)
    assert float(loss) == pytest.approx(scored.sum() / len(LOGITS))
