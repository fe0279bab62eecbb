"""Floating-point operations by TensorFlow's profiler."""

import pytest
import tensorflow as tf

from benchmarks.harness.flops import count_flops


@pytest.mark.parametrize(
    ("equation", "shapes", "count"),
    [
        ("ij,jk->ik", ([2, 3], [3, 5]), 2 * 2 * 3 * 5),
        ("bi,pio->pbo", ([7, 3], [4, 3, 5]), 2 * 7 * 4 * 3 * 5),
        ("tn,nbe->tbe", ([2, 4], [4, 7, 5]), 2 * 2 * 4 * 7 * 5),
    ],
)
def test_einsum_counts_a_product_and_a_sum_for_each_combination(equation, shapes, count):
    specs = [tf.TensorSpec(shape) for shape in shapes]
    assert count_flops(lambda *x: tf.einsum(equation, *x), *specs) == count


def test_einsum_counts_as_much_as_the_matrix_product_that_the_profiler_knows():
    specs = tf.TensorSpec([6, 3]), tf.TensorSpec([3, 5])
    by_einsum = count_flops(lambda x, y: tf.einsum("ij,jk->ik", x, y), *specs)
    assert count_flops(tf.matmul, *specs) == by_einsum


def test_the_gradient_of_a_step_counts_too():
    kernel = tf.Variable(tf.ones([3, 5]))

    def step(x):
        with tf.GradientTape() as tape:
            y = tf.einsum("bi,io->bo", x, kernel)
        return tape.gradient(y, [x, kernel])

    # Forward, by the inputs and by the kernel.
    assert count_flops(step, tf.TensorSpec([4, 3])) >= 2 * 2 * 4 * 3 * 5


def test_a_product_of_unknown_size_is_refused():
    with pytest.raises(ValueError, match=r"must be known to be counted. Received: \(None, 3\)"):
        count_flops(lambda x: tf.matmul(x, tf.ones([3, 5])), tf.TensorSpec([None, 3]))
