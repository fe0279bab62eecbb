"""The inputs of a signature as servers take them: a message of gRPC, JSON for REST."""

from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from benchmarks.serving.requests import Columns


def make_predict(signature: str, inputs: Columns) -> predict_pb2.PredictRequest:
    """A request to the model `ranker`.

    Args:
        signature: its name.
        inputs: input -> array; strings as `bytes` objects.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "ranker", signature
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def to_json(inputs: Columns) -> dict[str, Any]:
    """Input -> nested lists of numbers and texts.

    Args:
        inputs: input -> array; strings as `bytes` objects.
    """
    return {name: _to_plain(values.tolist()) for name, values in inputs.items()}


def _to_plain(values: Any) -> Any:
    if isinstance(values, list):
        return [_to_plain(value) for value in values]
    return values.decode() if isinstance(values, bytes) else values
