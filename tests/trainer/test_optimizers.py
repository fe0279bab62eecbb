"""Lazy Adam: Adam on the rows that are looked up, and nothing at all on the others."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import Training
from trainer.optimizers import LazyAdam, make_optimizer

ROWS, DIM = 7, 3
START = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)


def run(optimizer, batches, values=None):
    """The table after a step for each batch of ids, by the square of what is looked up."""
    table = tf.Variable(START)
    optimizer.build([table])
    for ids in batches:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.gather(table, ids)))
        gradient = tape.gradient(loss, table)
        assert isinstance(gradient, tf.IndexedSlices)
        optimizer.apply_gradients([(gradient, table)])
    return table.numpy()


def reference(batches, rate):
    """Adam's formulas, row by row, with the moments of other rows left alone."""
    table = START.astype(np.float64)
    m, v = np.zeros_like(table), np.zeros_like(table)
    for step, ids in enumerate(batches, start=1):
        slope = np.zeros_like(table)
        np.add.at(slope, ids, 2 * table[ids])
        for row in set(ids):
            m[row] = 0.9 * m[row] + 0.1 * slope[row]
            v[row] = 0.999 * v[row] + 0.001 * slope[row] ** 2
            mean, square = m[row] / (1 - 0.9**step), v[row] / (1 - 0.999**step)
            table[row] -= rate * mean / (np.sqrt(square) + 1e-7 / np.sqrt(1 - 0.999**step))
    return table


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=9), min_size=1, max_size=6))
def test_rows_that_are_looked_up_move_as_adam_says_and_no_others(batches):
    moved = run(LazyAdam(0.01, lazy_rows=1), batches)
    np.testing.assert_allclose(moved, reference(batches, 0.01), atol=2e-6)
    untouched = sorted(set(range(ROWS)) - set().union(*batches))
    np.testing.assert_array_equal(moved[untouched], START[untouched])


def test_a_table_that_is_looked_up_whole_moves_as_by_adam():
    batches = [list(range(ROWS))] * 4
    adam = run(tf.keras.optimizers.Adam(0.01), batches)
    np.testing.assert_allclose(run(LazyAdam(0.01, lazy_rows=1), batches), adam, atol=1e-6)


def test_a_small_table_is_adams_to_the_bit():
    batches = [[0, 1], [2], [0]]
    adam = run(tf.keras.optimizers.Adam(0.01), batches)
    np.testing.assert_array_equal(run(LazyAdam(0.01, lazy_rows=ROWS + 1), batches), adam)


def test_a_copy_of_the_optimizer_is_as_lazy():
    copy = LazyAdam.from_config(LazyAdam(0.01, lazy_rows=5).get_config())
    assert (copy.lazy_rows, float(copy.learning_rate)) == (5, pytest.approx(0.01))


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", "LazyAdam"), ("adagrad", "Adagrad"), ("sgd", "SGD")]
)
def test_the_yaml_names_the_optimizer(name, kind):
    training = Training(optimizer=name, learning_rate=0.5, final_learning_rate=0.1, max_epochs=2)
    optimizer = make_optimizer(training, epoch_steps=10)
    assert type(optimizer).__name__ == kind
    schedule = optimizer._learning_rate
    assert [float(schedule(step)) for step in (0, 20)] == pytest.approx([0.5, 0.05])
