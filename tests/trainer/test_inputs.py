"""Which transformed features the model reads."""

import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from trainer.model.inputs import FeatureInputs
from trainer.model.options import Model
from transforms.features import Feature

NUMBERS = {
    "age": {"of": "user", "kind": "numeric", "missing_indicator": True},
    "hours": {
        "of": "user",
        "kind": "history",
        "by": "user_id",
        "statistic": "hours_since",
        "missing_indicator": True,
    },
}


WORDS = {
    "item": {"of": "item", "kind": "categorical", "hash_buckets": 4, "embedding_dim": 3},
    "last": {"of": "user", "kind": "sequence", "by": "user_id", "column": "item", "length": 3},
}


def test_a_sequence_is_the_mean_of_what_its_column_is_embedded_as():
    features = {name: TypeAdapter(Feature).validate_python(f) for name, f in WORDS.items()}
    layer = FeatureInputs(features, {"item": 5}, Model(), 0.0)
    rows = layer({"item": tf.constant([1, 2]), "last": tf.constant([[2, 0, 1], [0, 0, 0]])})
    first, second = rows[0, :3], rows[1, :3]
    tf.debugging.assert_near(rows[0, 3:], (first + second) / 2)
    assert rows[1, 3:].numpy().tolist() == [0, 0, 0]
    (table,) = layer.trainable_variables
    assert table.shape == [5, 3]


def test_a_sequence_can_be_pooled_by_attention_to_the_candidate():
    words = WORDS | {"last": WORDS["last"] | {"pooling": "attention"}}
    features = {name: TypeAdapter(Feature).validate_python(f) for name, f in words.items()}
    layer = FeatureInputs(features, {"item": 5}, Model(), 0.0)
    rows = layer({"item": tf.constant([1, 2]), "last": tf.constant([[2, 0, 0], [0, 0, 0]])})
    tf.debugging.assert_near(rows[0, 3:], rows[1, :3])
    assert rows[1, 3:].numpy().tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", NUMBERS)
def test_the_model_reads_whether_a_number_is_missing(name):
    feature = TypeAdapter(Feature).validate_python(NUMBERS[name])
    layer = FeatureInputs({name: feature}, {}, Model(), 0.0)
    inputs = {name: tf.constant([3.0, 0.0]), f"{name}_missing": tf.constant([0.0, 1.0])}
    assert layer(inputs).numpy().tolist() == [[3.0, 0.0], [0.0, 1.0]]
