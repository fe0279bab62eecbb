"""Under per-example gates serving computes each expert for those examples only that use it."""

import numpy as np
import pytest
import tensorflow as tf
from small_ranker import make_config, make_ranker

from trainer.export.dispatch import run_selected
from trainer.export.forward import FullForward
from trainer.model.stacks import ParallelStack

TOP_2 = {"kind": "top_k", "per_example": True, "experts_per_task": 2}
GATES = {
    "top-k": TOP_2,
    "noisy-top-k": {"kind": "noisy_top_k", "experts_per_task": 2},
    "sampled": {"kind": "sampled"},
    "dselect-k": {"kind": "dselect_k", "per_example": True},
    "softmax": {"kind": "softmax", "per_example": True},
}


@pytest.mark.parametrize("model", [{}, {"expert_units": [6, 5]}])
@pytest.mark.parametrize("kind", GATES)
def test_predictions_are_those_of_all_experts_on_all_examples(kind, model):
    ranker = make_ranker(make_config(gate=GATES[kind], model=model), seed=2)
    inputs, position = tf.random.stateless_normal([40, 4], [1, 2]), tf.ones([40], tf.int64)
    expected = FullForward(ranker)(inputs, position, [0, 1, 2])
    found = FullForward(ranker, run_selected)(inputs, position, [0, 1, 2])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert ranker.gate.sparse == (kind != "softmax")


@pytest.mark.parametrize("levels", [1, 2])
def test_own_experts_are_dispatched_too(levels):
    model = {"own_experts": 1, "extraction_levels": levels}
    ranker = make_ranker(make_config(gate=TOP_2, model=model), seed=2)
    inputs, position = tf.random.stateless_normal([40, 4], [1, 2]), tf.ones([40], tf.int64)
    expected = FullForward(ranker)(inputs, position, [0, 1, 2])
    found = FullForward(ranker, run_selected)(inputs, position, [0, 1, 2])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert ranker.gate.sparse


def test_an_expert_computes_the_examples_that_use_it_and_no_others():
    stack, inputs = ParallelStack(3, [4], 0.0, "experts"), tf.random.normal([5, 2])
    whole = stack(inputs).numpy()
    weights = np.zeros([5, 2, 3], np.float32)
    weights[[0, 3], [0, 1], 0] = 0.5  # two examples use the first expert, none the second
    weights[:3, 0, 2] = 1.0  # most use the third, which then computes all
    run = tf.function(lambda x, w: run_selected(stack, x, w, False))
    found = run(inputs, weights).numpy()
    np.testing.assert_allclose(found[0, [0, 3]], whole[0, [0, 3]], atol=1e-6)
    assert (found[0, [1, 2, 4]] == 0).all() and (found[1] == 0).all()
    np.testing.assert_allclose(found[2], whole[2], atol=1e-6)
    # What nobody uses may even be no number.
    stack.layers[0].kernel.assign(stack.layers[0].kernel * [[[1.0]], [[np.nan]], [[1.0]]])
    np.testing.assert_array_equal(run(inputs, weights), found)


def test_a_request_without_candidates_has_no_predictions():
    ranker = make_ranker(make_config(gate=TOP_2), seed=2)
    forward = FullForward(ranker, run_selected)
    assert forward(tf.zeros([0, 4]), tf.ones([0], tf.int64), [0, 1, 2]).shape == (3, 0)
