"""The server writes rankings down that come with their ids, and answers them as any other."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from pipeline.cli.serve import serve as serve_command
from pipeline.config import load_config
from serving.client import Ranker, RankingRequestError
from serving.server import ServerOptions, running_server
from serving.server.request_log.options import RequestLogOptions
from tests.serving.toy_ranker import write_version

IDS: dict[str, Any] = {"request_id": ["r1"], "user_id": ["u1"], "item_id": ["a", "b", "c"]}
INPUTS: dict[str, Any] = {
    "age": [3.0],
    "interests": [["x", "", ""]],
    "brand": ["x", "y", ""],
    "price": [1.0, 9.0, 2.0],
    "words": [["w", ""], ["", ""], ["v", "w"]],
}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "ranker"
    write_version(folder, 4, weight=2.0)
    return folder


def options(model_dir: Path, log: Path | None) -> ServerOptions:
    section = None if log is None else RequestLogOptions(log)
    return ServerOptions(model_dir=model_dir, port=0, grpc_port=0, request_log=section)


def ask_rest(port: int, inputs: dict[str, Any]) -> httpx.Response:
    body = json.dumps({"signature_name": "rank", "inputs": inputs})
    return httpx.post(f"http://127.0.0.1:{port}/v1/models/ranker:predict", content=body)


def ask_grpc(port: int, inputs: dict[str, Any], *outputs: str) -> dict[str, list[float]]:
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name, request.model_spec.signature_name = "ranker", "rank"
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
    return {name: list(tensor.float_val) for name, tensor in answer.outputs.items()}


def read(log: Path) -> list[dict[str, Any]]:
    return [
        row
        for file in sorted(log.glob("ranker/impressions/*/*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]


def test_both_apis_write_rankings_down_and_answer_as_ever(model_dir, tmp_path):
    with running_server(options(model_dir, tmp_path)) as server:
        plain = ask_rest(server.port, INPUTS)
        by_rest = ask_rest(server.port, INPUTS | IDS)
        by_grpc = ask_grpc(server.grpc_port, INPUTS | IDS | {"request_id": ["r2"]})
        only_click = ask_grpc(server.grpc_port, INPUTS | IDS | {"request_id": ["r3"]}, "click")
    assert by_rest.json() == plain.json()
    assert by_grpc["score"] == pytest.approx(plain.json()["outputs"]["score"])
    assert list(only_click) == ["click"]
    rows = read(tmp_path)
    assert [row["request_id"] for row in rows] == ["r1"] * 3 + ["r2"] * 3 + ["r3"] * 3
    first = rows[0]
    assert (first["item_id"], first["position"], first["model_version"]) == ("c", 1, 4)
    assert (first["brand"], first["words"], first["age"]) == (None, ["v", "w"], 3.0)
    assert first["score"] == pytest.approx(max(plain.json()["outputs"]["score"]))
    assert [row["item_id"] for row in rows[3:6]] == [row["item_id"] for row in rows[:3]]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"user_id": ["u"]}, "all of them or none. Received: user_id"),
        (IDS | {"item_id": ["a"]}, r"Input item_id must be strings of shape \[3\]"),
        (IDS | {"user_id": ["a", "b"]}, r"Input user_id must be strings of shape \[1\]"),
    ],
)
def test_ids_that_do_not_fit_are_refused(model_dir, tmp_path, ids, message):
    with running_server(options(model_dir, tmp_path)) as server:
        answer = ask_rest(server.port, INPUTS | ids)
    assert answer.status_code == 400
    assert re.search(message, answer.json()["error"])
    assert read(tmp_path) == []


def test_without_a_log_ids_are_inputs_that_the_model_does_not_know(model_dir):
    refused = pytest.raises(grpc.RpcError, match="input size does not match signature")
    with running_server(options(model_dir, None)) as server, refused:
        ask_grpc(server.grpc_port, INPUTS | IDS)


def test_the_metrics_say_what_was_written(model_dir, tmp_path):
    with running_server(options(model_dir, tmp_path)) as server:
        ask_rest(server.port, INPUTS | IDS)
        url = f"http://127.0.0.1:{server.port}/monitoring/prometheus/metrics"
        page = urlopen(url).read().decode()
    assert ":gaterank:request_log:dropped 0.0" in page


def test_ingestion_joins_the_log_with_feedback(model_dir, tmp_path):
    from transforms.ingest.pipeline import run_ingest

    with running_server(options(model_dir, tmp_path / "log")) as server:
        ask_rest(server.port, INPUTS | IDS)
    clicked = {"request_id": "r1", "item_id": "b", "event": "click", "value": 1.0}
    feedback = tmp_path / "log" / "ranker" / "feedback.parquet"
    pq.write_table(pa.Table.from_pylist([clicked | {"timestamp": datetime.now(UTC)}]), feedback)
    config = load_config(ROOT / "presets" / "demo.yaml").data_config()
    tasks = {"click": config.tasks["click"]}
    price = {"price": {"of": "item", "kind": "numeric"}}
    document = config.model_dump(mode="json") | {"features": price}
    document["tasks"] = {name: task.model_dump(mode="json") for name, task in tasks.items()}
    counts = run_ingest(
        type(config).model_validate(document),
        str(tmp_path / "log" / "ranker"),
        str(tmp_path / "examples"),
        every_split=False,
    )
    assert counts.impressions.examples == 3
    assert counts.feedback.attributed == 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_the_client_sends_ids_on_request(model_dir, tmp_path, scheme):
    candidates = [{"item_id": 1, "brand": "x", "price": 2}, {"item_id": "b"}]
    with running_server(options(model_dir, tmp_path)) as server:
        port = server.port if scheme == "http" else server.grpc_port
        with Ranker(f"{scheme}://127.0.0.1:{port}", with_ids=True) as ranker:
            ranked = ranker.rank({"user_id": "u7", "age": 3}, candidates, {"request_id": "r7"})
            with pytest.raises(RankingRequestError, match="request_id: must be there"):
                ranker.rank({"user_id": "u7"}, candidates)
    rows = read(tmp_path)
    assert [str(one.item_id) for one in ranked] == [row["item_id"] for row in rows]
    assert {(row["request_id"], row["user_id"]) for row in rows} == {("r7", "u7")}
    assert [row["score"] for row in rows] == pytest.approx([one.score for one in ranked])


def test_the_command_line_says_what_it_needs(tmp_path):
    from click.testing import CliRunner

    result = CliRunner().invoke(serve_command, [str(tmp_path), "--request-log-top", "3"])
    assert "--request-log-top needs --request-log" in str(result.exception)
