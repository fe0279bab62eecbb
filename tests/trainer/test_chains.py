"""Chains of tasks: what their predictions are, and that serving computes no more than it needs."""

import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ranker import make_batch, make_config, make_ranker

from trainer.batch_part import BatchPart
from trainer.export.forward import FullForward
from trainer.export.pruned_forward import PrunedForward
from trainer.model.chains import InformationTransfer, TaskChains, joint_logit

ESMM = {"like": {"chain": {"after": "click", "kind": "esmm"}}}
AITM = {"like": {"chain": {"after": "click", "kind": "aitm"}}}
BOTH = AITM | {"watch": {"chain": {"after": "like", "kind": "aitm"}}}


@settings(deadline=None)
@given(st.floats(-30, 30), st.floats(-30, 30))
def test_the_joint_probability_is_the_product(a, b):
    joint = tf.sigmoid(joint_logit(tf.constant([a], tf.float64), tf.constant([b], tf.float64)))
    product = tf.sigmoid(tf.constant([a], tf.float64)) * tf.sigmoid(tf.constant([b], tf.float64))
    np.testing.assert_allclose(joint, product, rtol=1e-9)


@pytest.mark.parametrize(("a", "b"), [(300.0, -300.0), (-300.0, -300.0), (300.0, 300.0)])
def test_the_joint_logit_is_finite_where_probabilities_are_not_told_apart(a, b):
    with tf.GradientTape() as tape:
        logits = tf.Variable([a, b])
        joint = joint_logit(logits[:1], logits[1:])
    expected = -np.logaddexp(np.logaddexp(-a, -b), -a - b)
    np.testing.assert_allclose(joint, [expected], rtol=1e-6)
    assert np.isfinite(tape.gradient(joint, logits)).all()


def test_the_gradient_is_that_of_the_product_on_the_whole_space():
    a, b = tf.Variable([0.3, -1.0, 2.0]), tf.Variable([-0.2, 0.7, -2.0])
    label = tf.constant([1.0, 0.0, 0.0])
    with tf.GradientTape(persistent=True) as tape:
        joint = joint_logit(a, b)
        by_logit = tf.nn.sigmoid_cross_entropy_with_logits(label, joint)
        p = tf.sigmoid(a) * tf.sigmoid(b)
        by_product = -(label * tf.math.log(p) + (1 - label) * tf.math.log(1 - p))
    for x in (a, b):
        expected = tape.gradient(by_product, x)
        np.testing.assert_allclose(tape.gradient(by_logit, x), expected, rtol=1e-4)
        assert np.abs(expected).min() > 0, "both towers learn from every impression"


def test_a_chained_task_is_never_likelier_than_the_one_before():
    ranker = make_ranker(make_config(ESMM))
    for i in range(20):
        ranker.train_step(make_batch(seed=i))
    click, like, _ = tf.sigmoid(ranker(make_batch(seed=99)).logits).numpy()
    assert (like < click).all()
    plain = make_ranker(make_config())
    np.testing.assert_array_equal(
        plain(make_batch()).logits[0], make_ranker(make_config(ESMM))(make_batch()).logits[0]
    )


def test_heads_start_at_the_rate_given_the_task_before():
    chained = {"kind": "classification", "label": {"event": "watch"}}
    tasks = ESMM | {"watch": {"chain": {"after": "like", "kind": "esmm"}} | chained}
    ranker = make_ranker(make_config(tasks))
    ranker.label_means = {"click": 0.5, "like": 0.1, "watch": 0.04}
    ranker.set_output_biases()
    rates = 1 / (1 + np.exp(-ranker.heads.bias.numpy().ravel()))
    np.testing.assert_allclose(rates, [0.5, 0.2, 0.4], rtol=1e-5)
    ranker.heads.kernel.assign(tf.zeros_like(ranker.heads.kernel))
    means = tf.sigmoid(ranker(make_batch()).logits)[:, 0]
    np.testing.assert_allclose(means, [0.5, 0.1, 0.04], rtol=1e-5)


def test_information_is_transferred_as_in_the_paper():
    layer = InformationTransfer(3, "transfer")
    before, own = tf.random.normal([4, 3]), tf.random.normal([4, 3])
    found = layer(before, own)
    message = tf.nn.relu(before @ layer.message.kernel + layer.message.bias)
    v, k, q = (d.kernel for d in (layer.values, layer.keys, layer.queries))
    match = [tf.reduce_sum((u @ k) * (u @ q), -1) / 3**0.5 for u in (message, own)]
    weights = tf.nn.softmax(tf.stack(match), axis=0)
    expected = weights[0][:, None] * (message @ v) + weights[1][:, None] * (own @ v)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_task_reads_the_tower_before_and_not_the_other_way():
    ranker = make_ranker(make_config(BOTH))
    towers = tf.Variable(tf.random.normal([3, 4, 5]))
    with tf.GradientTape(persistent=True) as tape:
        out = tf.unstack(ranker.chains(towers, [0, 1, 2]))
    reads = [[bool(np.abs(tape.gradient(o, towers)[i]).max() > 0) for i in range(3)] for o in out]
    assert reads == [[True, False, False], [True, True, False], [True, True, True]]


def test_chains_are_followed_from_their_beginning_whatever_the_order_of_the_yaml():
    tasks = make_config(
        {
            "click": {"chain": {"after": "like", "kind": "aitm"}},
            "like": {"chain": {"after": "watch", "kind": "aitm"}},
        }
    ).tasks
    chains = TaskChains(tasks)
    assert [(link.task, link.after) for link in chains.links] == [(1, 2), (0, 1)]
    assert [chains.with_earlier([t]) for t in range(3)] == [[0, 1, 2], [1, 2], [2]]


def test_predicting_more_than_the_task_before_has_a_price_on_examples_alone():
    chain = {"after": "click", "kind": "aitm", "expectation_weight": 0.6}
    chains = TaskChains(make_config({"like": {"chain": chain}}).tasks)
    logits = tf.constant([[0.0, 0.0, 0.0], [2.0, -2.0, 9.0], [0.0, 0.0, 0.0]])
    part = BatchPart(tf.constant([1.0, 1.0, 0.0]), tf.constant(2.0))
    found = chains.penalties(logits, part)["expectation_1"]
    over = 1 / (1 + np.exp(-2.0)) - 0.5
    np.testing.assert_allclose(found, 0.6 * over / 2, rtol=1e-6)
    assert TaskChains(make_config(AITM).tasks).penalties(logits, part) == {}


@pytest.mark.parametrize("links", [ESMM, AITM, BOTH], ids=["esmm", "aitm", "both"])
@pytest.mark.parametrize("tasks", [[0], [1], [2], [0, 2], [0, 1, 2]])
def test_a_task_alone_is_served_as_among_all(links, tasks):
    config = make_config(links, gate={"kind": "top_k", "experts_per_task": 1})
    config = config.model_copy(update={"model": config.model.model_copy(update={"wide": True})})
    ranker = make_ranker(config, seed=3)
    for i in range(3):
        ranker.train_step(make_batch(seed=i))
    inputs, position = tf.random.normal([6, 4]), tf.ones([6], tf.int64)
    whole = FullForward(ranker)(inputs, position, range(3))
    pruned = PrunedForward(ranker)
    found = pruned(inputs, position, tasks)
    np.testing.assert_allclose(found, tf.gather(whole, tasks), atol=1e-5)


def test_a_task_alone_computes_only_the_experts_of_its_chain():
    gate = {"kind": "top_k", "experts_per_task": 1}
    ranker = make_ranker(make_config(ESMM, gate=gate))
    logits = np.full((3, 4), -1.0)
    logits[[0, 1, 2], [0, 1, 2]] = 1.0
    ranker.gate.logits.bias.assign(logits)
    pruned = PrunedForward(ranker)
    inputs, position = tf.zeros([1, 4]), tf.ones([1], tf.int64)
    for tasks, experts in (([0], 1), ([1], 2), ([2], 1)):
        function = tf.function(lambda x, t=tasks: pruned(x, position, t))
        graph = function.get_concrete_function(inputs).graph
        activations = [op.outputs[0] for op in graph.get_operations() if op.type == "Relu"]
        # An expert is 6 units wide, a tower 5.
        assert [x.shape[-1] for x in activations].count(6) == experts


def test_a_ranker_without_chains_has_none():
    assert make_ranker(make_config()).chains is None


@pytest.mark.parametrize(
    ("tasks", "rule"),
    [
        (
            {"like": {"chain": {"after": "share", "kind": "esmm"}}},
            "like.chain: `after` must name a task. Received: 'share'",
        ),
        (
            {"like": {"chain": {"after": "like", "kind": "aitm"}}},
            "chain: `after` must not lead back. Received: like after like",
        ),
        (
            {
                "click": {"chain": {"after": "like", "kind": "aitm"}},
                "like": {"chain": {"after": "click", "kind": "aitm"}},
            },
            "chain: `after` must not lead back. Received: click after like after click",
        ),
        (
            {"watch": {"chain": {"after": "click", "kind": "esmm"}}},
            "both tasks must be classification. Received: regression after classification",
        ),
        (
            {"like": {"chain": {"after": "click", "kind": "esmm"}, "mask": {"event": "click"}}},
            "`esmm` is trained on all impressions",
        ),
        (
            {"like": {"chain": {"after": "click", "kind": "esmm", "expectation_weight": 1.0}}},
            "`expectation_weight` is for `aitm` between classification tasks",
        ),
        ({"like": {"chain": {"after": "click", "kind": "cvr"}}}, "'esmm' or 'aitm'"),
    ],
)
def test_chains_that_cannot_be_are_refused(tasks, rule):
    with pytest.raises(ValueError, match=re.escape(rule)):
        make_config(tasks)


def test_a_sampled_gate_takes_no_chain():
    with pytest.raises(ValueError, match="Received: chains of like"):
        make_config(ESMM, gate={"kind": "sampled"})
