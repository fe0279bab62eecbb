"""The serving benchmarks ask the same over gRPC and over REST."""

import json
import math

import numpy as np
import tensorflow as tf

from benchmarks.serving.messages import make_predict, to_json

INPUTS = {
    "price": np.array([2.5, np.nan], np.float32),
    "category": np.array([b"caf\xc3\xa9", b""], object),
    "tags": np.array([[b"a", b"b"], [b"c", b""]], object),
}


def test_a_message_has_the_arrays_and_names_model_and_signature():
    request = make_predict("rank", INPUTS)
    spec = request.model_spec
    assert (spec.name, spec.signature_name, set(request.inputs)) == ("ranker", "rank", set(INPUTS))
    for name, values in INPUTS.items():
        np.testing.assert_array_equal(tf.make_ndarray(request.inputs[name]), values)


def test_json_has_texts_in_lists_as_deep_as_the_arrays():
    document = json.loads(json.dumps(to_json(INPUTS)))
    assert document["category"] == ["café", ""]
    assert document["tags"] == [["a", "b"], ["c", ""]]
    assert document["price"][0] == 2.5 and math.isnan(document["price"][1])
