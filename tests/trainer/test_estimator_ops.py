"""Routers inside TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimators.capacity import log_softmax
from trainer.estimators.ops import make_route, surrogate_loss
from trainer.estimators.registry import ROUTERS, UNBIASED

LOGITS = np.random.default_rng(0).normal(size=(6, 3))
LOSSES = np.random.default_rng(1).normal(size=(6, 3))


@pytest.mark.parametrize("name", ROUTERS)
def test_a_router_says_the_same_inside_a_traced_function(name):
    route = tf.function(make_route(ROUTERS[name], capacity=2, seed=3))
    weights = route(tf.constant(LOGITS))
    assert weights.shape == LOGITS.shape
    expected = ROUTERS[name](LOGITS, 2, np.random.default_rng(3))
    np.testing.assert_array_equal(weights.numpy(), expected)


def test_a_seed_repeats_a_sequence_of_batches_and_no_batch_repeats_the_one_before():
    first, again = (make_route(UNBIASED["balanced"], 2, seed=3) for _ in range(2))
    batches = [first(tf.constant(LOGITS)).numpy() for _ in range(3)]
    for batch in batches:
        np.testing.assert_array_equal(batch, again(tf.constant(LOGITS)).numpy())
    assert not np.array_equal(batches[0], batches[1])


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_weights_have_the_dtype_of_the_logits_and_no_gradient(dtype):
    logits = tf.Variable(LOGITS, dtype=dtype)
    with tf.GradientTape() as tape:
        weights = make_route(UNBIASED["skip"], 2, seed=0)(logits)
    assert weights.dtype == dtype
    assert tape.gradient(weights, logits) is None


@pytest.mark.parametrize("name", UNBIASED)
def test_the_surrogate_has_the_gradient_of_the_definition(name):
    weights = UNBIASED[name](LOGITS, 2, np.random.default_rng(0))
    logits, losses = tf.Variable(LOGITS), tf.Variable(LOSSES)
    with tf.GradientTape() as tape:
        loss = surrogate_loss(tf.nn.log_softmax(logits), tf.constant(weights), losses)
    to_logits, to_losses = tape.gradient(loss, [logits, losses])
    probs = np.exp(log_softmax(LOGITS))
    scored = weights * LOSSES  # the score function of a softmax: one hot minus p
    expected = (scored - scored.sum(axis=1, keepdims=True) * probs) / len(LOGITS)
    np.testing.assert_allclose(to_logits, expected, atol=1e-12)
    np.testing.assert_allclose(to_losses, weights / len(LOGITS), atol=1e-12)
    assert float(loss) == pytest.approx(scored.sum() / len(LOGITS))
