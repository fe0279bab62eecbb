"""Multi-hash tables and target attention: what they equal, and what they do not see."""

import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from small_ranker import make_config

from trainer.model.attention import EmbeddedList, TargetAttention
from trainer.model.inputs import FeatureInputs
from trainer.model.multi_hash import MultiHashEmbedding
from trainer.model.options import Model
from transforms.features import Features, MultiHash

ITEM = {"of": "item", "kind": "categorical"}
SEEN = {
    "of": "user",
    "kind": "categorical",
    "multivalued": True,
    "max_values": 4,
    "shares": "item",
    "pooling": "attention",
}


# Multi-hash


def test_one_hash_without_collisions_equals_the_plain_embedding():
    layer = MultiHashEmbedding(MultiHash(hashes=1, rows=5003), 3, "item")
    ids = tf.range(40)
    rows = layer.hash(ids)[:, 0].numpy()
    assert len(set(rows)) == 40, "none collides, or choose another number of rows"
    plain = tf.keras.layers.Embedding(40, 3)
    wanted = plain(ids).numpy()
    layer(ids)
    table = layer.table.embeddings.numpy()
    table[rows] = wanted
    layer.table.embeddings.assign(table)
    np.testing.assert_array_equal(layer(ids), wanted)
    np.testing.assert_array_equal(layer(tf.reshape(ids, [8, 5])), wanted.reshape(8, 5, 3))


@pytest.mark.parametrize("combine", ["sum", "concat"])
def test_rows_of_all_tables_are_combined(combine):
    layer = MultiHashEmbedding(MultiHash(hashes=3, rows=7, combine=combine), 2, "item")
    ids = tf.constant([0, 1, 99_999_999])
    found = layer(ids).numpy()
    rows = layer.table(layer.hash(ids)).numpy()  # [3, 3, 2]
    expected = rows.sum(1) if combine == "sum" else rows.reshape(3, 6)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(st.lists(st.integers(1, 2**31 - 2), min_size=1, max_size=50))
def test_each_hash_has_a_table_of_its_own_and_missing_has_its_row(ids):
    layer = MultiHashEmbedding(MultiHash(hashes=2, rows=11), 1, "item")
    rows = layer.hash(tf.constant(ids, tf.int64)).numpy()
    assert ((rows[:, 0] >= 1) & (rows[:, 0] < 12)).all()
    assert ((rows[:, 1] >= 12) & (rows[:, 1] < 23)).all()
    assert layer.hash(tf.constant([0])).numpy().tolist() == [[0, 0]]


def test_few_ids_collide_in_all_hashes():
    layer = MultiHashEmbedding(MultiHash(hashes=2, rows=1000), 1, "item")
    rows = layer.hash(tf.range(1, 20_001)).numpy()
    _, counts = np.unique(rows, axis=0, return_counts=True)
    expected = 20_000**2 / 2 / 1000**2
    assert (counts - 1).sum() < 1.5 * expected
    assert np.bincount(rows[:, 0]).max() < 3 * 20, "rows are used alike"


def test_a_model_with_hashes_has_tables_of_their_size_alone():
    item = ITEM | {"hash_buckets": 100_000_000, "multi_hash": {"hashes": 2, "rows": 50}}
    inputs = make_inputs({"item": item}, {})
    inputs({"item": tf.constant([1, 99_999_999])})
    assert [w.shape for w in inputs.weights] == [[101, 4]]


def test_the_hash_does_not_change_between_versions():
    layer = MultiHashEmbedding(MultiHash(hashes=2, rows=1000), 1, "item")
    assert layer.hash(tf.constant([1, 12345])).numpy().tolist() == HASHED


HASHED = [[840, 1913], [222, 1319]]

# Attention


def make_inputs(features, id_counts) -> FeatureInputs:
    tf.keras.utils.set_random_seed(1)
    checked = TypeAdapter(Features).validate_python(features)
    return FeatureInputs(checked, id_counts, Model(embedding_dim=4), 0.0)


def make_attention():
    tf.keras.utils.set_random_seed(5)
    layer = TargetAttention(8, "attend")
    rows, target = tf.random.normal([2, 5, 4]), tf.random.normal([2, 4])
    return layer, target, rows


def test_padding_is_not_seen():
    layer, target, rows = make_attention()
    known = tf.constant([[True, True, False, False, False]] * 2)
    found = layer(target, EmbeddedList(rows, known))
    other = tf.where(known[..., tf.newaxis], rows, 1e6)
    np.testing.assert_array_equal(layer(target, EmbeddedList(other, known)), found)
    cut = EmbeddedList(rows[:, :2], known[:, :2])
    np.testing.assert_allclose(layer(target, cut), found, rtol=1e-5)
    weights = layer.weigh(target, EmbeddedList(rows, known)).numpy()
    np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-6)


def test_an_empty_list_is_nothing_and_has_a_finite_gradient():
    layer, target, rows = make_attention()
    nothing = EmbeddedList(rows, tf.zeros([2, 5], tf.bool))
    with tf.GradientTape() as tape:
        tape.watch(target)
        found = layer(target, nothing)
    np.testing.assert_array_equal(found, tf.zeros([2, 4]))
    slopes = tape.gradient(found, [target, *layer.trainable_variables])
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in slopes if g is not None)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_the_list_makes_no_difference(order):
    layer, target, rows = make_attention()
    known = tf.constant([[True, True, False, True, True], [False, True, True, False, False]])
    found = layer(target, EmbeddedList(rows, known))
    moved = EmbeddedList(tf.gather(rows, order, axis=1), tf.gather(known, order, axis=1))
    np.testing.assert_allclose(layer(target, moved), found, atol=1e-6)


def test_it_is_the_layer_of_the_paper_over_q_k_their_difference_and_product():
    layer, target, rows = make_attention()
    known = tf.ones([2, 5], tf.bool)
    found = layer.weigh(target, EmbeddedList(rows, known))
    q = tf.repeat(target[:, tf.newaxis], 5, axis=1)
    features = tf.concat([q, rows, q - rows, q * rows], -1)  # [2, 5, 16]
    difference = tf.random.normal([4, 8])
    kernel = tf.concat(
        [
            layer.of_target.kernel - difference,
            layer.of_listed.kernel + difference,
            difference,
            layer.of_both.kernel,
        ],
        0,
    )
    hidden = tf.nn.relu(features @ kernel + layer.of_target.bias)
    expected = tf.nn.softmax(tf.squeeze(hidden @ layer.score.kernel, -1))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_list_for_all_candidates_is_that_list_for_each():
    layer, _, rows = make_attention()
    targets = tf.random.normal([7, 4])
    known = tf.constant([[True, True, True, False, True]])
    once = layer(targets, EmbeddedList(rows[:1], known))
    each = EmbeddedList(tf.repeat(rows[:1], 7, axis=0), tf.repeat(known, 7, axis=0))
    np.testing.assert_allclose(once, layer(targets, each), atol=1e-6)


def test_a_list_shares_the_table_of_the_candidate():
    inputs = make_inputs({"item": ITEM, "seen": SEEN}, {"item": 9})
    batch = {"item": tf.constant([1, 2]), "seen": tf.constant([[1, 5, 0, 0], [0, 0, 0, 0]])}
    found = inputs(batch).numpy()
    assert found.shape == (2, 8)
    assert (found[1, 4:] == 0).all()
    tables = [w for w in inputs.weights if w.shape == (9, 4)]
    assert len(tables) == 1
    assert inputs.embeddings["seen"].table is inputs.embeddings["item"].table


def test_a_shared_list_may_be_pooled_by_its_mean():
    seen = SEEN | {"pooling": "mean"}
    inputs = make_inputs({"seen": seen, "item": ITEM}, {"item": 9})
    batch = {"item": tf.constant([1]), "seen": tf.constant([[3, 5, 0, 0]])}
    table = inputs(batch) is not None and inputs.embeddings["item"].table.embeddings
    np.testing.assert_allclose(inputs(batch)[0, :4], (table[3] + table[5]) / 2, rtol=1e-6)


def test_what_one_user_has_is_computed_once_for_all_candidates():
    inputs = make_inputs({"item": ITEM, "seen": SEEN}, {"item": 9})
    items, seen = tf.constant([1, 2, 3]), tf.constant([[1, 5, 7, 0]])
    parts = inputs.parts({"item": items})
    once = inputs.parts({"seen": seen})
    found = inputs.concat(parts | once)
    expected = inputs({"item": items, "seen": tf.repeat(seen, 3, axis=0)})
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert once["seen"].rows.shape == (1, 4, 4)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"shares": "nothing"}, "`shares` must name a categorical feature"),
        ({"shares": "age"}, "`shares` must name a categorical feature"),
        ({"shares": "seen"}, "`shares` must name a categorical feature"),
        ({"hash_buckets": 10}, "Received: hash_buckets"),
        ({"shares": None}, "Received: multivalued=True, of=user, shares=None"),
        ({"of": "item"}, "Received: multivalued=True, of=item, shares=item"),
        ({"multivalued": False}, "Received: multivalued=False"),
        ({"multi_hash": {"rows": 1}}, "greater than or equal to 2"),
        ({"shares": None, "pooling": "max"}, "'mean' or 'attention'"),
    ],
)
def test_lists_that_cannot_be_are_refused(changes, rule):
    features = {"age": {"of": "user", "kind": "numeric"}, "item": ITEM, "seen": SEEN | changes}
    with pytest.raises(ValueError, match=re.escape(rule)):
        make_config(features=features)


def test_attention_needs_one_word_of_the_candidate():
    item = ITEM | {"multivalued": True}
    with pytest.raises(ValueError, match="needs one word of the candidate"):
        make_config(features={"item": item, "seen": SEEN})
