"""The running server: ranking through it, versions under load, and hostile requests."""

import contextlib
import gzip
import http.client
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.client import Ranker, StatusError
from serving.server import ServerOptions, running_server
from transforms.errors import ConfigError, InputError

LIMIT = 2**20


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from toy_ranker import write_version

    base = tmp_path_factory.mktemp("models") / "ranker"
    write_version(base, 1, weight=1.0)
    return base


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[Any]:
    options = ServerOptions(
        model_dir=base,
        port=0,
        grpc_port=0,
        poll_seconds=0.1,
        max_request_bytes=LIMIT,
        body_seconds=1.0,
    )
    with running_server(options) as server:
        yield server


@pytest.fixture(scope="module")
def ranker(server: Any) -> Iterator[Ranker]:
    with Ranker(f"http://127.0.0.1:{server.port}") as ranker:
        yield ranker


def ask(
    server: Any, body: bytes, path: str = "/v1/models/ranker:predict", **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, named)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text.decode(errors="replace")) if text.startswith(
        b"{"
    ) else text


def test_the_client_ranks_through_the_server(ranker: Ranker) -> None:
    user = {"age": 30, "interests": ["nike", "puma"]}
    candidates = [
        {"item_id": "a", "brand": "none", "price": 2},
        {"item_id": "b", "brand": "puma", "words": ["x", "y"]},
        {"item_id": "c", "brand": "other", "price": 2.5, "words": ["x"]},
    ]
    ranked = ranker.rank(user, candidates)
    assert [(one.item_id, one.score) for one in ranked] == [("b", 132.0), ("c", 33.5), ("a", 32.0)]
    assert set(ranked.predictions) == {"click"}


def test_ten_thousand_candidates_are_ranked(ranker: Ranker) -> None:
    candidates = [{"item_id": i, "brand": f"b{i}", "price": i % 97} for i in range(10_000)]
    with pytest.raises(StatusError, match="413 INVALID_ARGUMENT: The request must have at most"):
        ranker.rank({}, [{**one, "words": ["long" * 30]} for one in candidates])
    ranked = ranker.rank({"age": 1}, candidates)
    assert [one.item_id for one in ranked[:2]] == [96, 193]


def test_grpc_and_rest_give_the_same_predictions(server: Any) -> None:
    from google.protobuf import json_format
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = json_format.ParseDict(
        {
            "model_spec": {"name": "ranker"},
            "inputs": {
                "x": {
                    "dtype": "DT_FLOAT",
                    "tensor_shape": {"dim": [{"size": "3"}]},
                    "float_val": [1, 2],
                }
            },
        },
        predict_pb2.PredictRequest(),
    )
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
    status, document = ask(server, b'{"inputs": [1, 2, 2]}')
    assert (status, document["outputs"]) == (200, list(response.outputs["y"].float_val))


def test_an_unknown_grpc_method_is_unimplemented(server: Any) -> None:
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
    with channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/tensorflow.serving.PredictionService/Nothing")(b"")
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, "")


def test_bytes_that_are_no_message_are_an_internal_error(server: Any) -> None:
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
    with channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(b"\xff\xff")
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.INTERNAL, "")


def test_a_compressed_body_is_read_and_a_bomb_is_not(server: Any) -> None:
    body = b'{"inputs": [1, 2]}'
    assert ask(server, gzip.compress(body), content_encoding="gzip") == (
        200,
        {"outputs": [1.0, 2.0]},
    )
    bomb = gzip.compress(b" " * (LIMIT + 1))
    assert ask(server, bomb, content_encoding="gzip")[0] == 413
    status, document = ask(server, b"no gzip at all", content_encoding="gzip")
    assert (status, document["error"]) == (400, "JSON Parse error: The document is empty")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe{", 400),
        (b'{"inputs": ' + b"[" * 100_000, 400),
        (b'{"inputs": [NaN, 1e999]}', 400),
        (b'{"inputs": ["\xff"]}', 400),
        (b" " * (LIMIT + 1), 413),
    ],
)
def test_a_hostile_body_is_refused_and_the_next_request_answered(
    server: Any, body: bytes, status: int
) -> None:
    assert ask(server, body)[0] == status
    assert ask(server, b'{"inputs": [1]}') == (200, {"outputs": [1.0]})


@pytest.mark.parametrize("path", ["/v1/models/..%2f..%2fetc:predict", "/v1/models/%00:predict"])
def test_a_models_name_is_never_a_path(server: Any, path: str) -> None:
    assert ask(server, b'{"inputs": [1]}', path)[0] == 404


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /v1/models/a|b HTTP/1.1",
        b"GET /v1/models/\xff HTTP/1.1",
        b"NONSENSE / HTTP/1.1",
        b"GET",
    ],
)
def test_a_broken_request_line_is_answered_with_400(server: Any, request_line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(request_line + b"\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type"),
    [
        ("TRACE", "/v1/models/ranker", 501, "text/html"),
        ("OPTIONS", "/v1/models/ranker", 400, "text/html; charset=ISO-8859-1"),
        ("PUT", "/v1/models/ranker", 400, "application/json"),
        ("GET", "/", 404, "text/html"),
        ("GET", "/monitoring/prometheus/metrics?x", 400, "text/plain"),
        ("GET", "http://other/v1/models/ranker", 200, "application/json"),
    ],
)
def test_what_is_no_call_of_the_api_is_answered_as_libevent_does(
    server: Any, method: str, path: str, status: int, content_type: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    connection.close()
    assert (response.status, response.getheader("content-type")) == (status, content_type)


def test_a_client_that_sends_its_body_too_slowly_is_cut_off(server: Any) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(
            b"POST /v1/models/ranker:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_connections_that_never_send_a_whole_request_keep_nobody_out(base: Path) -> None:
    options = ServerOptions(base, port=0, grpc_port=None, body_seconds=1.0, max_connections=10)
    heads = (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"POST")
    with running_server(options) as server, contextlib.ExitStack() as stack:
        for number in range(30):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            stack.enter_context(connection).sendall(heads[number % len(heads)])
        deadline = time.monotonic() + 10
        while ask(server, b'{"inputs": [1]}')[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert connection.recv(1) == b""


def test_a_second_request_may_take_as_long_as_the_first(server: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for pause in (0.0, 1.5):  # longer than body_seconds, but between two requests
        time.sleep(pause)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
    connection.send(b"GET /healthz HTTP/1.1\r\n")
    assert connection.sock.recv(1) == b"", "half of a third one is not waited for"
    connection.close()


def test_metrics_count_requests_under_tensorflow_servings_names(server: Any) -> None:
    ask(server, b'{"inputs": [1]}')
    ask(server, b"{}", "/v1/models/made-up:predict")
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/monitoring/prometheus/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert ':tensorflow:serving:request_count{model_name="ranker",status="OK"}' in text
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert 'API="Predict",entrypoint="REST",' in text
    assert "made-up" not in text


def test_versions_change_under_load_without_a_failed_request(server: Any, base: Path) -> None:
    from toy_ranker import write_version

    stop = threading.Event()
    answers: list[tuple[int, Any]] = []

    def keep_asking() -> None:
        while not stop.is_set():
            answers.append(ask(server, b'{"inputs": [1]}'))

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in (2, 3):
        write_version(base, version, weight=float(version))
        wait_for_version(server, version)
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} == {200}
    values = [document["outputs"][0] for _, document in answers]
    assert set(values) == {1.0, 2.0, 3.0}


def test_a_corrupt_version_is_refused_and_the_status_says_why(
    server: Any, ranker: Ranker, base: Path
) -> None:
    served = ranker.metadata(refresh=True).version
    (base / "50").mkdir()
    (base / "50" / "saved_model.pb").write_bytes(b"\x00 no model")
    assert "cannot be loaded" in wait_for_refusal(ranker, 50)
    shutil.copytree(base / str(served), base.parent / "cut")
    data = next((base.parent / "cut" / "variables").glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:-2])
    (base.parent / "cut").rename(base / "51")
    assert "Read less bytes than requested" in wait_for_refusal(ranker, 51)
    assert {s.version: s.state for s in ranker.status()}[served] == "AVAILABLE"
    assert ask(server, b'{"inputs": [1]}')[0] == 200


def wait_for_refusal(ranker: Ranker, version: int) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for status in ranker.status():
            if (status.version, status.state) == (version, "END"):
                return status.error_message
        time.sleep(0.02)
    raise AssertionError(f"version {version} was not tried")


def test_recorded_requests_warm_a_version_and_a_wrong_one_keeps_it_out(
    base: Path, tmp_path: Path
) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    from serving.server.metrics import Metrics
    from serving.server.models.load import load_model
    from serving.server.models.registry import Registry
    from serving.server.status import ServingError
    from transforms.saved_model import WARM_UP_FILE

    shutil.copytree(base / "1", tmp_path / "1")
    guessed = load_model("ranker", 1, tmp_path / "1")
    assert len(guessed._callables) == 2
    guessed.close()
    log = prediction_log_pb2.PredictionLog()
    tensor = log.predict_log.request.inputs["x"]
    tensor.CopyFrom(tf.make_tensor_proto([1.0]))
    write_records(tmp_path / "1" / WARM_UP_FILE, [log.SerializeToString()])
    metrics = Metrics(Registry(lambda model: None))
    model = load_model("ranker", 1, tmp_path / "1", metrics=metrics)
    assert len(model._callables) == 1
    model.close()
    tensor.CopyFrom(tf.make_tensor_proto([1]))
    write_records(tmp_path / "1" / WARM_UP_FILE, [log.SerializeToString()])
    with pytest.raises(ServingError, match="Expects arg"):
        load_model("ranker", 1, tmp_path / "1", metrics=metrics)
    page = metrics.page().decode()
    for status, records in (("OK", 1), ("INVALID_ARGUMENT", 0)):
        labels = f'{{model_path="{tmp_path}/1",status="{status}"}}'
        assert f":model_warmup_latency_count{labels} 1.0" in page
        assert f":model_warmup_records_read{labels} {records}.0" in page
    write_records(tmp_path / "1" / WARM_UP_FILE, [b""] * 1001)
    with pytest.raises(ServingError, match="exceeds the maximum"):
        load_model("ranker", 1, tmp_path / "1")


def write_records(path: Path, records: list[bytes]) -> None:
    import tensorflow as tf

    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def wait_for_version(server: Any, version: int) -> None:
    deadline = time.monotonic() + 20
    while server.models.registry.versions("ranker") != {version}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_port_that_is_taken_is_refused_with_its_number(server: Any, base: Path) -> None:
    for ports in ((server.port, None), (0, server.grpc_port)):
        options = ServerOptions(model_dir=base, port=ports[0], grpc_port=ports[1])
        taken = pytest.raises(
            InputError, match=f"cannot listen on 127.0.0.1:{max(filter(None, ports))}"
        )
        with taken, running_server(options):
            pass


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    refusal = pytest.raises(InputError, match="must hold a folder named by a version number")
    with refusal, running_server(ServerOptions(model_dir=tmp_path, port=0, grpc_port=None)):
        pass


@pytest.mark.parametrize(
    "options",
    [{}, {"model_dir": Path("a"), "port": 70_000}, {"model_dir": Path("a"), "threads": 0}],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ServerOptions(**options)


def test_a_request_that_is_running_is_answered_before_the_server_stops(base: Path) -> None:
    options = ServerOptions(model_dir=base, port=0, grpc_port=None)
    answers: list[tuple[int, Any]] = []
    with running_server(options) as server:
        body = json.dumps({"inputs": [0.5] * 100_000}).encode()
        threads = [
            threading.Thread(target=lambda: answers.append(ask(server, body))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while not server._workers._calls:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers].count(200) >= 1
    with pytest.raises(OSError, match="refused"):
        ask(server, body)
