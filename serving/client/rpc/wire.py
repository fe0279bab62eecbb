"""Operations as gRPC messages, their answers back, and refusals as errors; no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from serving.client.answers import read_status
from serving.client.errors import (
    DEADLINE_EXCEEDED,
    HTTP_STATUS,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    ClientError,
    ConnectError,
    RequestTimeoutError,
    ResponseError,
    StatusError,
)
from serving.client.operations import (
    AskMetadata,
    AskStatus,
    ModelMetadata,
    Operation,
    Predict,
)
from serving.client.rpc.protos import message_class
from serving.client.rpc.tensors import read_tensor, write_tensor
from serving.client.target import ModelAddress
from serving.ranking.signature import read_signatures

_PREDICTION = "/tensorflow.serving.PredictionService"
_MODEL = "/tensorflow.serving.ModelService"
_SIGNATURES = "signature_def"
_PUSHBACK = "grpc-retry-pushback-ms"
_NOT_CONNECTED = ("failed to connect to all addresses", "DNS resolution failed")
_TOO_LARGE = "CLIENT: Received message larger than max"


@dataclass(frozen=True, slots=True)
class RpcMessage:
    """A request.

    Attributes:
        method: `/service/method`.
        body: a serialized message.
    """

    method: str
    body: bytes


class RpcWire:
    """Writes operations and reads answers for one model.

    Args:
        model: which is asked.

    Example:
        >>> RpcWire(ModelAddress("m")).encode(AskStatus()).method
        '/tensorflow.serving.ModelService/GetModelStatus'
    """

    def __init__(self, model: ModelAddress) -> None:
        self._spec = message_class("ModelSpec")(name=model.name, version_label=model.label)
        if model.version is not None:
            self._spec.version.value = model.version
        self._predict = message_class("PredictRequest"), message_class("PredictResponse")

    def encode(self, operation: Operation[Any]) -> RpcMessage:
        """The request for an operation."""
        match operation:
            case AskStatus():
                request = message_class("GetModelStatusRequest")(model_spec=self._spec)
                return RpcMessage(f"{_MODEL}/GetModelStatus", request.SerializeToString())
            case AskMetadata():
                request = message_class("GetModelMetadataRequest")(
                    model_spec=self._spec, metadata_field=[_SIGNATURES]
                )
                return RpcMessage(f"{_PREDICTION}/GetModelMetadata", request.SerializeToString())
            case Predict():
                return RpcMessage(f"{_PREDICTION}/Predict", self._encode_predict(operation))
        raise TypeError(f"gRPC has no {operation!r}")

    def decode(self, operation: Operation[Any], body: bytes, url: str) -> Any:
        """The answer to an operation.

        Raises:
            ResponseError: if it is none.
        """
        try:
            match operation:
                case AskStatus():
                    return read_status(_to_document("GetModelStatusResponse", body))
                case AskMetadata():
                    return _read_metadata(body)
                case Predict():
                    outputs = self._predict[1].FromString(body).outputs
                    return {name: read_tensor(outputs[name]) for name in outputs}
        except (DecodeError, LookupError, TypeError, ValueError) as error:
            message = f"the answer is not of TensorFlow Serving's form: {error!r}"
            raise ResponseError(message, url) from None
        raise TypeError(f"gRPC has no {operation!r}")

    def _encode_predict(self, operation: Predict) -> bytes:
        request = self._predict[0](model_spec=self._spec)
        request.model_spec.signature_name = operation.signature
        for name, array in operation.inputs.items():
            write_tensor(array, request.inputs[name])
        body: bytes = request.SerializeToString()
        return body


def refusal(
    code: str, message: str, metadata: Iterable[tuple[str, str | bytes]], url: str
) -> ClientError:
    """The error that a call's status stands for.

    Args:
        code: its name.
        message: the server's, or of gRPC's own.
        metadata: that the call ended with.
        url: of the method.
    """
    if code == DEADLINE_EXCEEDED:
        return RequestTimeoutError(f"the server did not answer in time: {message}", url)
    if code == UNAVAILABLE and any(words in message for words in _NOT_CONNECTED):
        return ConnectError(f"no server answers: {message}", url)
    if code == RESOURCE_EXHAUSTED and _TOO_LARGE in message:
        return ResponseError(f"the answer is too large: {message}", url)
    return StatusError(message, url, code, HTTP_STATUS[code], _read_pushback(dict(metadata)))


def _read_pushback(metadata: Mapping[str, str | bytes]) -> float | None:
    """Seconds that the server wants to be left alone."""
    value = metadata.get(_PUSHBACK)
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value) / 1000
    return None


def _read_metadata(body: bytes) -> ModelMetadata:
    response: Any = message_class("GetModelMetadataResponse").FromString(body)
    packed = response.metadata[_SIGNATURES].value
    signatures = _to_document("SignatureDefMap", packed)["signature_def"]
    spec = response.model_spec
    return ModelMetadata(spec.name, spec.version.value, read_signatures(signatures))


def _to_document(name: str, body: bytes) -> Any:
    """A message in the JSON form that the REST API has for it."""
    return json_format.MessageToDict(
        message_class(name).FromString(body),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
