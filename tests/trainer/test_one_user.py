"""A user's part of the first layers is computed once, and predictions stay what they were."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from small_ranker import make_batch, make_config, make_ranker

from trainer.export.forward import FullForward
from trainer.export.pruned_forward import PrunedForward
from trainer.export.pruned_stack import find_scales

TOP_1 = {"gate": {"kind": "top_k", "experts_per_task": 1}}
CHAIN = {"like": {"chain": {"after": "click", "kind": "aitm"}}}


def make_trained(crosses=0, tasks=None, **model):
    """Age is the user's, the item has an embedding of 3; trained for three steps."""
    model |= {"cross_layers": crosses, "position": {"max_position": 5}}
    ranker = make_ranker(make_config(tasks, model=model, **TOP_1), seed=3)
    for i in range(3):
        ranker.train_step(make_batch(seed=i))
    return ranker


def make_parts(size=7, shared=("age",)):
    """Of 7 candidates of one user."""
    rows = {name: 1 if name in shared else size for name in ("age", "item")}
    return {
        "age": tf.random.stateless_normal([rows["age"], 1], [1, 2]),
        "item": tf.random.stateless_normal([rows["item"], 3], [3, 4]),
    }


@pytest.mark.parametrize("crosses", [0, 1, 2])
@pytest.mark.parametrize("shared", [(), ("age",), ("item",), ("age", "item")])
@pytest.mark.parametrize(
    "model", [{}, {"wide": True}, {"expert_units": [6, 5]}, {"own_experts": 1}]
)
def test_what_is_computed_once_changes_no_prediction(crosses, shared, model):
    ranker, size = make_trained(crosses, **model), 1 if len(shared) == 2 else 7
    parts = make_parts(size, shared)
    for tasks in ([0, 1, 2], [1]):
        expected = FullForward(ranker).rank(parts, size, tasks)
        np.testing.assert_allclose(
            PrunedForward(ranker).rank(parts, size, tasks), expected, atol=1e-5
        )


def test_chained_tasks_are_ranked_as_by_all_experts():
    ranker, parts = make_trained(1, CHAIN), make_parts()
    for tasks in ([0, 1, 2], [1]):
        expected = FullForward(ranker).rank(parts, 7, tasks)
        np.testing.assert_allclose(PrunedForward(ranker).rank(parts, 7, tasks), expected, atol=1e-5)


def find_products(ranker):
    """The shapes of the kernels that candidates are multiplied by."""
    forward = PrunedForward(ranker)
    specs = {"age": tf.TensorSpec([1, 1]), "item": tf.TensorSpec([None, 3])}

    @tf.function(input_signature=[specs], autograph=False)
    def rank(parts):
        return forward.rank(parts, tf.shape(parts["item"])[0], [0, 1, 2])

    operations = rank.get_concrete_function().graph.get_operations()
    products = [op for op in operations if op.type == "MatMul" and op.inputs[0].shape[0] is None]
    variables = [op for op in operations if op.type == "ReadVariableOp"]
    return [tuple(op.inputs[1].shape) for op in products], variables


def test_candidates_are_multiplied_by_their_own_columns_only():
    shapes, variables = find_products(make_trained())
    # Of four columns three are the item's, and one stands for all that is the user's.
    assert {shape for shape in shapes if shape[1] == 6} == {(3 + 1, 6)}
    assert variables == [], "what depends on matrices alone can be computed beforehand"


def test_very_large_matrices_stay_variables(monkeypatch):
    monkeypatch.setattr("trainer.export.pruned_forward._MAX_CONSTANT_BYTES", 100)
    _, variables = find_products(make_trained())
    assert variables


@given(st.data())
def test_as_many_weights_as_a_tree_has_edges_become_one(data):
    share = st.sampled_from([0.0, 0.0, 0.02, 0.3, 0.5, 1.0])
    tasks, experts = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    rows = st.lists(share, min_size=experts, max_size=experts)
    weights = np.array(data.draw(st.lists(rows, min_size=tasks, max_size=tasks)))
    scales, columns = find_scales(weights)
    assert (scales > 0).all() and (columns > 0).all()
    left = weights / np.outer(scales, columns)
    ones = np.isclose(left, 1.0, rtol=1e-9).sum()
    assert ones >= count_tree_edges(weights > 0)


def count_tree_edges(uses):
    """Nodes that are in use, less one for each part that hangs together."""
    parts = []
    for task in np.flatnonzero(uses.any(axis=1)):
        part = {("expert", n) for n in np.flatnonzero(uses[task])} | {("task", task)}
        joined = [other for other in parts if other & part]
        parts = [other for other in parts if not other & part] + [part.union(*joined)]
    return sum(len(part) - 1 for part in parts)
