"""The transform graph inside of a served one does what TensorFlow Transform's own layer does."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.export.signatures import _parse_spec
from trainer.export.transform_graph import TransformGraph


@pytest.fixture(scope="module")
def graph(trained):
    return TransformGraph(trained.transform)


@pytest.fixture(scope="module")
def raw(trained):
    """Examples with everything, and one with nothing."""
    features = trained.ranker.config.features
    nothing = tf.train.Example().SerializeToString()
    spec = {name: _parse_spec(feature) for name, feature in features.items()}
    return tf.io.parse_example([*trained.examples[:200], nothing], spec)


def transform(graph, raw):
    return tf.function(graph, autograph=False)(raw)


def test_it_gives_what_the_layer_gives(trained, graph, raw):
    expected = trained.transform.transform_features_layer()(raw)
    found = transform(graph, raw)
    assert len(found) >= len(trained.ranker.config.features)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_some_features_need_no_others(trained, graph, raw):
    whole = transform(graph, raw)
    for name in trained.ranker.config.features:
        part = transform(graph, {name: raw[name]})
        assert name in part
        for column, values in part.items():
            np.testing.assert_array_equal(values, whole[column], err_msg=column)


def test_no_op_asks_for_a_feature_that_is_not_given(graph, raw):
    function = tf.function(graph, autograph=False).get_concrete_function({"price": raw["price"]})
    ops = [op.type for op in function.graph.get_operations()]
    assert ops.count("Placeholder") == len(function.inputs) == 1
    assert not {"LookupTableFindV2", "StatefulPartitionedCall"} & set(ops)
