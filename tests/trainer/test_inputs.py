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


@pytest.mark.parametrize("name", NUMBERS)
def test_the_model_reads_whether_a_number_is_missing(name):
    feature = TypeAdapter(Feature).validate_python(NUMBERS[name])
    layer = FeatureInputs({name: feature}, {}, Model(), 0.0)
    inputs = {name: tf.constant([3.0, 0.0]), f"{name}_missing": tf.constant([0.0, 1.0])}
    assert layer(inputs).numpy().tolist() == [[3.0, 0.0], [0.0, 1.0]]
