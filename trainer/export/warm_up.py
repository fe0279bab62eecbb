"""The requests that a server answers to itself before it gives a version to users."""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from trainer.export.signatures import ServedRanker
from transforms.examples import RANK
from transforms.saved_model import WARM_UP_FILE

# A first and a usual request: small and large ones take different ways through some kernels.
_CANDIDATES = (1, 100)


def write_warm_up(folder: Path, served: ServedRanker) -> None:
    """Writes records of tensorflow.serving.PredictionLog, which TensorFlow Serving replays.

    Their values are missing ones: what counts is that graphs are pruned, tables and kernels
    made ready.

    Args:
        folder: of the SavedModel.
        served: what is saved there.

    Reference: tensorflow.org/tfx/serving/saved_model_warmup
    """
    path = folder / WARM_UP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in _make_requests(served):
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString(deterministic=True))


def _make_requests(served: ServedRanker) -> Iterator[predict_pb2.PredictRequest]:
    empty = tf.train.Example().SerializeToString()
    yield _ask("serving_default", {"examples": tf.constant([empty])})
    for size in _CANDIDATES:
        columns = {
            name: tf.fill([size if n is None else n for n in spec.shape], _missing(spec))
            for name, spec in served.column_specs().items()
        }
        yield _ask(RANK, columns)


def _missing(spec: tf.TensorSpec) -> tf.Tensor:
    return tf.constant("" if spec.dtype == tf.string else float("nan"))


def _ask(signature: str, inputs: dict[str, tf.Tensor]) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request
