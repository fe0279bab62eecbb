"""Requests in the form of TensorFlow Serving's protos, answered by a loaded model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server.inference.classify import Classifications, classify
from serving.server.inference.multi_inference import Task, infer
from serving.server.inference.predict import Model, predict
from serving.server.inference.regress import regress
from serving.server.signatures import DEFAULT_SIGNATURE, Array
from serving.server.tensors import read_tensor, write_tensor

SIGNATURE_FIELD = "signature_def"
_SIGNATURES = get_model_metadata_pb2.SignatureDefMap


def answer_predict(
    model: Model, request: predict_pb2.PredictRequest
) -> predict_pb2.PredictResponse:
    """Runs Predict; tensors are decoded once the names were found right."""
    name = request.model_spec.signature_name
    outputs = predict(model, name, _Tensors(request.inputs), request.output_filter)
    response = predict_pb2.PredictResponse(model_spec=make_spec(model, request.model_spec))
    for alias, array in outputs.items():
        write_tensor(array, response.outputs[alias])
    return response


def answer_classify(
    model: Model, request: classification_pb2.ClassificationRequest
) -> classification_pb2.ClassificationResponse:
    """Runs Classify."""
    examples = read_examples(request.input)
    found = classify(model, request.model_spec.signature_name, examples)
    return classification_pb2.ClassificationResponse(
        result=_write_classifications(found), model_spec=make_spec(model, request.model_spec)
    )


def answer_regress(
    model: Model, request: regression_pb2.RegressionRequest
) -> regression_pb2.RegressionResponse:
    """Runs Regress."""
    values = regress(model, request.model_spec.signature_name, read_examples(request.input))
    return regression_pb2.RegressionResponse(
        result=_write_regressions(values), model_spec=make_spec(model, request.model_spec)
    )


def answer_multi_inference(
    model: Model, request: inference_pb2.MultiInferenceRequest
) -> inference_pb2.MultiInferenceResponse:
    """Runs MultiInference."""
    tasks = [
        Task(task.model_spec.name, task.model_spec.signature_name, task.method_name)
        for task in request.tasks
    ]
    response = inference_pb2.MultiInferenceResponse()
    for task, answer in zip(
        request.tasks, infer(model, tasks, read_examples(request.input)), strict=True
    ):
        result = response.results.add(model_spec=make_spec(model, task.model_spec))
        if isinstance(answer, Classifications):
            result.classification_result.CopyFrom(_write_classifications(answer))
        else:
            result.regression_result.CopyFrom(_write_regressions(answer))
    return response


def answer_metadata(model: Model) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """All signatures of a model."""
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = model.name
    response.model_spec.version.value = model.version
    packed = response.metadata[SIGNATURE_FIELD]
    packed.type_url = f"type.googleapis.com/{_SIGNATURES.DESCRIPTOR.full_name}"
    packed.value = model.signature_bytes
    return response


def make_spec(model: Model, asked: model_pb2.ModelSpec) -> model_pb2.ModelSpec:
    """What answered: name, version and signature."""
    spec = model_pb2.ModelSpec(
        name=asked.name, signature_name=asked.signature_name or DEFAULT_SIGNATURE
    )
    spec.version.value = model.version
    return spec


def read_examples(proto: input_pb2.Input) -> list[bytes]:
    """The serialized examples; a shared context goes before each of them."""
    if proto.WhichOneof("kind") == "example_list_with_context":
        shared = proto.example_list_with_context.context.SerializeToString()
        examples = proto.example_list_with_context.examples
        return [shared + example.SerializeToString() for example in examples]
    return [example.SerializeToString() for example in proto.example_list.examples]


class _Tensors(Mapping[str, Array]):
    """Arrays that are decoded when they are looked up."""

    def __init__(self, protos: Mapping[str, tensor_pb2.TensorProto]) -> None:
        self._protos = protos

    def __getitem__(self, alias: str) -> Array:
        return read_tensor(self._protos[alias], alias)

    def __contains__(self, alias: object) -> bool:
        # The base class would look the name up, and a protobuf map makes what it lacks.
        return alias in self._protos

    def __iter__(self) -> Iterator[str]:
        return iter(self._protos)

    def __len__(self) -> int:
        return len(self._protos)


def _write_classifications(found: Classifications) -> Any:
    rows: Sequence[Any] = [
        classification_pb2.Classifications(
            classes=[
                classification_pb2.Class(label=label.decode("utf-8", "replace"), score=score)
                for label, score in zip(*row, strict=True)
            ]
        )
        for row in zip(found.labels, found.scores.tolist(), strict=True)
    ]
    return classification_pb2.ClassificationResult(classifications=rows)


def _write_regressions(values: Array) -> Any:
    return regression_pb2.RegressionResult(
        regressions=[regression_pb2.Regression(value=value) for value in values.tolist()]
    )
