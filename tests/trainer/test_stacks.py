"""Layers that run side by side equal layers of their own."""

import numpy as np
import tensorflow as tf

from trainer.model.stacks import ParallelDense, ParallelStack


def test_side_by_side_equals_one_dense_layer_each():
    layer = ParallelDense(3, 5, "relu", "layer")
    shared = tf.random.normal([7, 4])
    together = layer(shared)
    for i in range(3):
        alone = tf.nn.relu(shared @ layer.kernel[i] + layer.bias[i])
        np.testing.assert_allclose(together[i], alone, atol=1e-6)


def test_each_member_reads_its_own_input():
    layer = ParallelDense(3, 5, None, "layer")
    own = tf.random.normal([3, 7, 4])
    together = layer(own)
    for i in range(3):
        np.testing.assert_allclose(together[i], own[i] @ layer.kernel[i] + layer.bias[i], atol=1e-6)


def test_kernels_start_as_wide_as_those_of_a_layer_of_its_own():
    layer = ParallelDense(16, 64, None, "layer")
    layer(tf.zeros([1, 32]))
    bound = (6 / (32 + 64)) ** 0.5
    kernel = layer.kernel.numpy()
    assert np.abs(kernel).max() <= bound
    np.testing.assert_allclose(kernel.std(), bound / 3**0.5, rtol=0.05)


def test_dropout_acts_in_training_only():
    stack = ParallelStack(2, (8, 8), 0.5, "experts")
    inputs = tf.ones([4, 3])
    np.testing.assert_array_equal(stack(inputs), stack(inputs))
    assert (stack(inputs, training=True).numpy() == 0).mean() > (stack(inputs).numpy() == 0).mean()
