"""The tf.Examples of classify and regress requests, of any names."""

import json
from typing import Any

import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from serving.server.documents.examples import read_examples_body

FLOAT = tf.io.FixedLenFeature([1], tf.float32)


def test_features_have_the_type_of_their_values() -> None:
    body = b'{"examples": [{"a": 1, "b": [1.5, 2.0], "c": "x", "d": {"b64": "/w=="}, "e": []}]}'
    (example,) = read_examples_body(body).examples
    features = tf.train.Example.FromString(example).features.feature
    assert features["a"].int64_list.value == [1]
    assert features["b"].float_list.value == [1.5, 2.0]
    assert features["c"].bytes_list.value == [b"x"]
    assert features["d"].bytes_list.value == [b"\xff"]
    assert features["e"].WhichOneof("kind") is None


def test_the_context_belongs_to_every_example() -> None:
    body = b'{"context": {"a": 1.5}, "examples": [{"b": 2.5}, {}, {"a": 3.5}]}'
    parsed = tf.io.parse_example(read_examples_body(body).examples, {"a": FLOAT})
    assert parsed["a"].numpy().tolist() == [[1.5], [1.5], [3.5]]


def test_a_name_that_is_no_utf_8_is_a_feature_that_nobody_asks_for() -> None:
    body = b'{"context": {"\x98": ["z"]}, "examples": [{"a": 1.5, "\xff\xfe": 2}]}'
    parsed = tf.io.parse_example(read_examples_body(body).examples, {"a": FLOAT})
    assert parsed["a"].numpy().tolist() == [[1.5]]


@given(st.dictionaries(st.text(max_size=200), st.lists(st.integers(-(2**63), 2**63 - 1))))
def test_examples_are_as_protobuf_writes_them(features: dict[str, Any]) -> None:
    body = json.dumps({"examples": [features]}).encode()
    (serialized,) = read_examples_body(body).examples
    expected = tf.train.Example()
    for name, values in features.items():
        feature = expected.features.feature[name.partition("\0")[0]]
        feature.Clear()
        feature.int64_list.value.extend(values)
        if not values:
            feature.Clear()
    assert tf.train.Example.FromString(serialized) == expected
