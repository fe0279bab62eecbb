"""The gRPC API: PredictionService and ModelService, from bytes to bytes."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server.metrics import Metrics
from serving.server.models.config import ModelConfig
from serving.server.models.manager import ModelManager
from serving.server.models.registry import ModelRequest
from serving.server.request_log.log import RequestLog
from serving.server.request_log.logged import logged
from serving.server.rpc.answers import (
    SIGNATURE_FIELD,
    answer_classify,
    answer_metadata,
    answer_multi_inference,
    answer_predict,
    answer_regress,
)
from serving.server.settings.model_configs import read_configs
from serving.server.status import Code, ServingError, invalid_argument
from serving.server.workers import Workers

_MAX_DETAILS = 1024
_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
Answer = Callable[[Any], Any]
Reload = Callable[[Sequence[ModelConfig]], None]


class Services:
    """Answers gRPC calls from the loaded models.

    Args:
        models: the loaded models.
        workers: the threads that calls compute in.
        metrics: counts calls and their times.
        log: of rankings; None for none.
        reload: serves other models; by default those that a request names.
    """

    def __init__(
        self,
        models: ModelManager,
        workers: Workers,
        metrics: Metrics,
        log: RequestLog | None = None,
        reload: Reload | None = None,
    ) -> None:
        self._models = models
        self._workers = workers
        self._metrics = metrics
        self._log = log
        self._change_models = reload or models.reload

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """What a gRPC server needs to know of the two services."""
        prediction = {
            "Predict": self._handler(predict_pb2.PredictRequest, self._predict, "predict"),
            "Classify": self._handler(
                classification_pb2.ClassificationRequest, self._classify, "classify"
            ),
            "Regress": self._handler(regression_pb2.RegressionRequest, self._regress, "regress"),
            "MultiInference": self._handler(inference_pb2.MultiInferenceRequest, self._infer),
            "GetModelMetadata": self._handler(
                get_model_metadata_pb2.GetModelMetadataRequest, self._metadata
            ),
        }
        model = {
            "GetModelStatus": self._handler(
                get_model_status_pb2.GetModelStatusRequest, self._status
            ),
            "HandleReloadConfigRequest": self._handler(
                model_management_pb2.ReloadConfigRequest, self._reload
            ),
        }
        services = (("PredictionService", prediction), ("ModelService", model))
        return [
            *(
                grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", methods)
                for name, methods in services
            ),
            _Unimplemented(),
        ]

    def _handler(
        self, request_type: type[Message], answer: Answer, verb: str | None = None
    ) -> grpc.RpcMethodHandler:
        """Bytes in and out, so that parsing and writing happen in a worker thread too."""

        def work(body: bytes) -> bytes:
            try:
                request: Any = request_type.FromString(body)
            except DecodeError:
                raise ServingError(Code.INTERNAL, "") from None
            start = time.perf_counter()
            code = Code.OK
            try:
                response: bytes = answer(request).SerializeToString()
                return response
            except ServingError as error:
                code = error.code
                raise
            finally:
                if verb is not None:
                    self._metrics.record(request.model_spec.name, verb, "GRPC", code, start)

        return grpc.unary_unary_rpc_method_handler(self._guard(work))

    def _guard(
        self, work: Callable[[bytes], bytes]
    ) -> Callable[[bytes, grpc.aio.ServicerContext[Any, Any]], Awaitable[bytes]]:
        async def call(body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            try:
                return await self._workers.run(work, body)
            except ServingError as error:
                await context.abort(_GRPC_CODES[error.code], _shorten(error.message))
                raise AssertionError("abort raises") from None

        return call

    def _predict(self, request: predict_pb2.PredictRequest) -> Any:
        with self._models.registry.use(_read_spec(request)) as model:
            measured = self._metrics.measured(model, "predict")
            name = request.model_spec.signature_name
            return answer_predict(logged(self._log, measured, name, request.inputs), request)

    def _classify(self, request: classification_pb2.ClassificationRequest) -> Any:
        with self._models.registry.use(_read_spec(request)) as model:
            return answer_classify(self._metrics.measured(model, "classify"), request)

    def _regress(self, request: regression_pb2.RegressionRequest) -> Any:
        with self._models.registry.use(_read_spec(request)) as model:
            return answer_regress(self._metrics.measured(model, "regress"), request)

    def _infer(self, request: inference_pb2.MultiInferenceRequest) -> Any:
        spec = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        with self._models.registry.use(_to_request(spec)) as model:
            response = answer_multi_inference(model, request)
            self._metrics.record_examples(model.name, _count_examples(request.input))
            return response

    def _metadata(self, request: get_model_metadata_pb2.GetModelMetadataRequest) -> Any:
        wanted = _read_spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != SIGNATURE_FIELD:
                raise invalid_argument(f"Metadata field {field} is not supported")
        with self._models.registry.use(wanted) as model:
            return answer_metadata(model)

    def _status(self, request: get_model_status_pb2.GetModelStatusRequest) -> Any:
        wanted = _read_spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for state in self._models.states.get(wanted.name, wanted.version):
            response.model_version_status.add(
                version=state.version,
                state=state.state.value,
                status={"error_code": state.code.value, "error_message": state.message},
            )
        return response

    def _reload(self, request: model_management_pb2.ReloadConfigRequest) -> Any:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        self._change_models(read_configs(request.config.model_config_list))
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


class _Unimplemented(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers calls of any other method, without a word as TensorFlow Serving does."""

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        """Called for methods that no handler before this one knows."""

        async def refuse(_: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(refuse)


def _count_examples(given: input_pb2.Input) -> int:
    """In either of the two forms, of which the other is empty."""
    return len(given.example_list.examples) + len(given.example_list_with_context.examples)


def _read_spec(request: Any) -> ModelRequest:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return _to_request(request.model_spec)


def _to_request(spec: model_pb2.ModelSpec) -> ModelRequest:
    match spec.WhichOneof("version_choice"):
        case "version":
            return ModelRequest(spec.name, version=spec.version.value)
        case "version_label":
            return ModelRequest(spec.name, label=spec.version_label)
    return ModelRequest(spec.name)


def _shorten(message: str) -> str:
    text = message.encode("utf-8", "replace")
    if len(text) <= _MAX_DETAILS:
        return text.decode("utf-8")
    return text[:_MAX_DETAILS].decode("utf-8", "ignore") + "...TRUNCATED"
