"""First requests to a freshly loaded version, so that no user waits for its start-up work."""

import logging
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.server.inference.predict import Model, predict
from serving.server.rpc.answers import (
    answer_classify,
    answer_multi_inference,
    answer_predict,
    answer_regress,
)
from serving.server.signatures import DEFAULT_SIGNATURE, NUMPY_TYPES, Array, TensorSpec
from serving.server.status import Code, ServingError, invalid_argument
from transforms.examples import RANK
from transforms.saved_model import WARM_UP_FILE

_MAX_RECORDS = 1000
_USUAL = frozenset({DEFAULT_SIGNATURE, RANK})

_logger = logging.getLogger(__name__)


def warm_up(model: Model, path: Path) -> int | None:
    """Replays a version's recorded requests, or makes up one for `rank` and the default.

    Other signatures then do their start-up work at their first request.

    Args:
        model: the version, not served yet.
        path: its folder; `assets.extra/tf_serving_warmup_requests` holds records of
            tensorflow.serving.PredictionLog.

    Returns:
        How many recorded requests there were; None if nothing was recorded.

    Raises:
        ServingError: if a recorded request fails or there are more than 1,000: such a
            version is not served.
    """
    file = path / WARM_UP_FILE
    if file.is_file():
        return _replay(model, file)
    _try_signatures(model)
    return None


def _replay(model: Model, file: Path) -> int:
    count = 0
    try:
        records = tf.data.TFRecordDataset(str(file)).take(_MAX_RECORDS + 1).as_numpy_iterator()
        for count, record in enumerate(records, start=1):
            if count > _MAX_RECORDS:
                raise invalid_argument(
                    f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {file}"
                )
            _replay_one(model, prediction_log_pb2.PredictionLog.FromString(record))
    except tf.errors.OpError as error:
        raise ServingError(Code(error.error_code), error.message) from None
    except DecodeError:
        raise invalid_argument(f"Failed to parse warmup record from {file}") from None
    return count


def _replay_one(model: Model, log: prediction_log_pb2.PredictionLog) -> None:
    match log.WhichOneof("log_type"):
        case "predict_log":
            answer_predict(model, log.predict_log.request)
        case "classify_log":
            answer_classify(model, log.classify_log.request)
        case "regress_log":
            answer_regress(model, log.regress_log.request)
        case "multi_inference_log":
            answer_multi_inference(model, log.multi_inference_log.request)
        case None:
            return
        case kind:
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")


def _try_signatures(model: Model) -> None:
    """Builds what a first request would: the pruned graph, its kernels, their buffers."""
    for name in _USUAL & model.signatures.keys():
        signature = model.signatures[name]
        inputs = {alias: _make_example(spec) for alias, spec in signature.inputs.items()}
        made = {alias: array for alias, array in inputs.items() if array is not None}
        if len(made) < len(inputs):
            continue
        try:
            predict(model, name, made)
        except ServingError as error:
            # A made-up request need not make sense to the model; it was worth a try.
            _logger.info("no warm-up of %s, signature %s: %s", model.name, name, error)


def _make_example(spec: TensorSpec) -> Array | None:
    if spec.shape is None or spec.dtype not in NUMPY_TYPES:
        return None
    fill = b"" if spec.dtype == "string" else 0
    return np.full([max(size, 1) for size in spec.shape], fill, NUMPY_TYPES[spec.dtype])
