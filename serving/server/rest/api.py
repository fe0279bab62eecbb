"""The REST API, from a request's bytes to the answer's: no network here."""

import time
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.server.documents.answers import (
    dump,
    dump_classifications,
    dump_error,
    dump_outputs,
    dump_regressions,
)
from serving.server.documents.examples import read_examples_body
from serving.server.documents.inputs import read_inputs, read_predict_body
from serving.server.inference.classify import classify
from serving.server.inference.predict import Model, predict
from serving.server.inference.regress import regress
from serving.server.metrics import Metrics
from serving.server.models.manager import ModelManager
from serving.server.models.registry import ModelRequest
from serving.server.request_log.log import RequestLog
from serving.server.request_log.logged import logged
from serving.server.rest.paths import Call, VersionOverflowError, parse_call
from serving.server.rpc.answers import SIGNATURE_FIELD, answer_metadata
from serving.server.signatures import DEFAULT_SIGNATURE
from serving.server.status import HTTP_STATUS, Code, ServingError, invalid_argument

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: of HTTP.
        content_type: of the body.
        body: bytes.
        encoding: `gzip` if the body is compressed.
    """

    status: int
    content_type: str
    body: bytes
    encoding: str = ""


class RestApi:
    """Answers REST requests from the loaded models.

    Args:
        models: the loaded models.
        metrics: counts requests and their times.
        log: of rankings; None for none.
    """

    def __init__(
        self, models: ModelManager, metrics: Metrics, log: RequestLog | None = None
    ) -> None:
        self._models = models
        self._metrics = metrics
        self._log = log

    def answer(self, method: str, target: bytes, body: bytes) -> Answer:
        """Answers one request; called from worker threads.

        Args:
            method: of HTTP.
            target: path and query, as sent.
            body: of the request.
        """
        start = time.perf_counter()
        call = Call("", ModelRequest(""))
        try:
            call = parse_call(method, target)
            content, code = self._dispatch(call, body), Code.OK
        except VersionOverflowError:
            content, code = b"", Code.INVALID_ARGUMENT
        except ServingError as error:
            content, code = dump_error(error.message), error.code
        self._metrics.record(call.model.name, call.verb, "REST", code, start)
        return Answer(HTTP_STATUS[code], JSON, content)

    def _dispatch(self, call: Call, body: bytes) -> bytes:
        match call.verb:
            case "predict":
                return self._predict(call.model, body)
            case "classify":
                return self._classify(call.model, body)
            case "regress":
                return self._regress(call.model, body)
        if not call.model.name:
            raise invalid_argument("Missing model name in request.")
        if call.verb == "metadata":
            return self._metadata(call.model)
        return self._status(call.model)

    def _predict(self, request: ModelRequest, text: bytes) -> bytes:
        body = read_predict_body(text)
        with self._models.registry.use(request) as served:
            measured = self._metrics.measured(served, "predict")
            model = logged(self._log, measured, body.signature_name, body.columns())
            signature = model.signatures.get(body.signature_name or DEFAULT_SIGNATURE)
            if signature is None:
                raise invalid_argument(
                    f'Serving signature name: "{body.signature_name or DEFAULT_SIGNATURE}" '
                    "not found in signature def"
                )
            inputs, by_rows = read_inputs(body, signature)
            outputs = predict(model, body.signature_name, inputs)
        return dump_outputs(outputs, by_rows)

    def _classify(self, request: ModelRequest, text: bytes) -> bytes:
        body = read_examples_body(text)
        with self._models.registry.use(request) as model:
            measured = self._metrics.measured(model, "classify")
            found = classify(measured, body.signature_name, body.examples)
        return dump_classifications(found.labels, found.scores)

    def _regress(self, request: ModelRequest, text: bytes) -> bytes:
        body = read_examples_body(text)
        with self._models.registry.use(request) as model:
            measured = self._metrics.measured(model, "regress")
            return dump_regressions(regress(measured, body.signature_name, body.examples))

    def _metadata(self, request: ModelRequest) -> bytes:
        with self._models.registry.use(request) as model:
            return _dump_metadata(model)

    def _status(self, request: ModelRequest) -> bytes:
        states = self._models.states.get(request.name, request.version)
        versions = [
            {
                "version": str(state.version),
                "state": state.state.name,
                "status": {"error_code": state.code.name, "error_message": state.message},
            }
            for state in states
        ]
        return dump({"model_version_status": versions})


def _dump_metadata(model: Model) -> bytes:
    return dump(
        {
            "model_spec": _to_json(answer_metadata(model).model_spec),
            "metadata": {
                SIGNATURE_FIELD: _to_json(
                    get_model_metadata_pb2.SignatureDefMap.FromString(model.signature_bytes)
                )
            },
        }
    )


def _to_json(message: Any) -> Any:
    return json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )
