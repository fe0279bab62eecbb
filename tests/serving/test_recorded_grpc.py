"""The gRPC API answers what the real TensorFlow Serving answered."""

import re
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from recorded import FOLDER, recorded_cases

CASES = recorded_cases("grpc_cases.json")


@pytest.fixture(scope="module")
def channel(recorded_server: Any) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{recorded_server.grpc_port}") as channel:
        yield channel


@pytest.mark.parametrize("case", CASES)
def test_grpc_answers_what_tensorflow_serving_answered(case: dict[str, Any], channel: Any) -> None:
    if case["case"].endswith("reloaded model"):
        reload_config(channel, half_plus_two="half_plus_two", types="types", mod="types")
    method, request, response = method_of(case["case"])
    json_format.ParseDict(case["request"], request)
    call = channel.unary_unary(
        method,
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    if case["code"] != "OK":
        with pytest.raises(grpc.RpcError) as raised:
            call(request)
        assert (raised.value.code().name, raised.value.details()) == (case["code"], case["details"])
        return
    answer = call(request)
    if isinstance(case["response"], str):
        assert case["response"] == f"({answer.ByteSize()} bytes)"
    else:
        assert (
            json_format.MessageToDict(answer, preserving_proto_field_name=True) == case["response"]
        )


def method_of(name: str) -> tuple[str, Any, Any]:
    """Path, an empty request and the response's class of a case, by its first word."""
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        inference_pb2,
        model_management_pb2,
        predict_pb2,
        regression_pb2,
    )

    classes: dict[str, tuple[Any, Any]] = {
        "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse),
        "Classify": (
            classification_pb2.ClassificationRequest,
            classification_pb2.ClassificationResponse,
        ),
        "Regress": (regression_pb2.RegressionRequest, regression_pb2.RegressionResponse),
        "MultiInference": (
            inference_pb2.MultiInferenceRequest,
            inference_pb2.MultiInferenceResponse,
        ),
        "GetModelMetadata": (
            get_model_metadata_pb2.GetModelMetadataRequest,
            get_model_metadata_pb2.GetModelMetadataResponse,
        ),
        "GetModelStatus": (
            get_model_status_pb2.GetModelStatusRequest,
            get_model_status_pb2.GetModelStatusResponse,
        ),
        "HandleReloadConfigRequest": (
            model_management_pb2.ReloadConfigRequest,
            model_management_pb2.ReloadConfigResponse,
        ),
    }
    method = name.split()[0]
    service = (
        "ModelService"
        if method in ("GetModelStatus", "HandleReloadConfigRequest")
        else "PredictionService"
    )
    request, response = classes[method]
    return f"/tensorflow.serving.{service}/{method}", request(), response


def reload_config(channel: Any, **folders: str) -> None:
    method, request, response = method_of("HandleReloadConfigRequest")
    for name, folder in folders.items():
        labels = {"stable": 123} if name == "half_plus_two" else {}
        request.config.model_config_list.config.add(
            name=name,
            base_path=str(FOLDER / "models" / folder),
            model_platform="tensorflow",
            version_labels=labels,
        )
    channel.unary_unary(
        method,
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )(request)


def test_the_examples_of_several_tasks_are_counted(channel: Any, recorded_server: Any) -> None:
    method, request, response = method_of("MultiInference")
    task = request.tasks.add(method_name="tensorflow/serving/regress")
    task.model_spec.name = "half_plus_two"
    task.model_spec.signature_name = "regress_x_to_y"
    for _ in range(3):
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(1)
    call = channel.unary_unary(
        method,
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    before = count_examples(recorded_server)
    call(request)
    assert count_examples(recorded_server) == before + 3


def count_examples(server: Any) -> float:
    page = server._metrics.page().decode()
    found = re.search(r'request_example_count_total\{model="half_plus_two"\} (\S+)', page)
    return float(found[1]) if found else 0.0
