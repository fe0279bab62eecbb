"""What the server says to those who watch it, and how it takes leave of them."""

import gzip
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.client import Ranker
from serving.server import BatchingParameters, ModelConfig, ServerOptions, running_server
from serving.server.health import Health
from serving.server.options import METRICS_PATH
from serving.server.settings.monitoring import read_monitoring_file
from transforms.errors import ConfigError

GZIP_BYTES = 2000


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from toy_ranker import write_version

    base = tmp_path_factory.mktemp("models") / "ranker"
    write_version(base, 1, weight=2.0)
    return base


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[Any]:
    options = ServerOptions(
        models=(ModelConfig("a", base), ModelConfig("b", base)),
        port=0,
        grpc_port=0,
        poll_seconds=0.05,
        gzip_bytes=GZIP_BYTES,
    )
    with running_server(options) as server:
        yield server


def call(
    server: Any, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response, text


def check(server: Any, service: str = "") -> int:
    """The number of the status that gRPC's health service gives."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        method = channel.unary_unary("/grpc.health.v1.Health/Check")
        # Field 1 has the service's name in the request, the status in the response.
        answer = method(b"\x0a" + bytes([len(service)]) + service.encode())
    assert answer[:1] == b"\x08"
    return int(answer[1])


def test_a_server_with_all_its_models_is_alive_and_ready(server: Any) -> None:
    for path in ("/healthz", "/readyz"):
        response, text = call(server, "GET", path)
        assert (response.status, text) == (200, b"ok\n")
    response, text = call(server, "HEAD", "/readyz")
    assert (response.status, text) == (200, b"")
    assert call(server, "POST", "/readyz")[0].status == 404
    for service in ("", "PredictionService", "tensorflow.serving.ModelService"):
        assert check(server, service) == 1


def test_the_health_of_an_unknown_service_is_not_found(server: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        check(server, "nothing")
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_model_without_a_version_makes_the_server_unready_and_is_named(
    server: Any, base: Path, tmp_path: Path
) -> None:
    from serving.server.status import ServingError

    (tmp_path / "empty").mkdir()
    a = ModelConfig("a", base)
    with pytest.raises(ServingError):
        server.models.reload([a, ModelConfig("new", tmp_path / "empty")])
    response, text = call(server, "GET", "/readyz")
    assert (response.status, text) == (503, b"not ready: no version is available of: new\n")
    assert call(server, "GET", "/healthz")[0].status == 200
    assert check(server) == 2
    server.models.reload([a, ModelConfig("b", base)])
    assert call(server, "GET", "/readyz")[0].status == 200


@pytest.mark.parametrize(
    ("accepted", "numbers", "is_compressed"),
    [
        ("gzip", 1000, True),
        ("br, GZIP;q=0.1", 1000, True),
        ("gzip", 10, False),
        ("gzip;q=0, br", 1000, False),
        ("identity", 1000, False),
    ],
)
def test_a_large_answer_is_compressed_for_who_accepts_it(
    server: Any, accepted: str, numbers: int, is_compressed: bool
) -> None:
    body = json.dumps({"inputs": [0.5] * numbers}).encode()
    response, text = call(server, "POST", "/v1/models/a:predict", body, accept_encoding=accepted)
    assert (response.getheader("content-encoding") == "gzip") == is_compressed
    assert int(response.getheader("content-length", "")) == len(text)
    if is_compressed:
        assert len(text) < GZIP_BYTES
        text = gzip.decompress(text)
    assert json.loads(text) == {"outputs": [1.0] * numbers}


def test_the_times_of_the_graph_are_counted(server: Any) -> None:
    call(server, "POST", "/v1/models/b:predict", b'{"inputs": [1]}')
    call(server, "POST", "/v1/models/b:predict", b'{"inputs": ["no number"]}')
    _, page = call(server, "GET", METRICS_PATH)
    labels = 'API="Predict",model_name="b",runtime="TF1"'
    assert f":tensorflow:serving:runtime_latency_count{{{labels}}} 1.0" in page.decode()
    assert b"_created" not in page
    assert b"# TYPE :tensorflow:serving:request_count counter" in page
    assert b"# TYPE :tensorflow:serving:request_example_count_total counter" in page


def test_a_client_that_watches_hears_of_the_end_and_holds_nobody_up(base: Path) -> None:
    options = ServerOptions(base, port=0, grpc_port=0, grace_seconds=30)
    told: list[int] = []
    with running_server(options) as server:
        channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        reader = threading.Thread(target=lambda: told.extend(answer[1] for answer in watch))
        reader.start()
        while not told:
            time.sleep(0.01)
        start = time.monotonic()
    reader.join(5)
    channel.close()
    assert told == [1, 2]
    assert time.monotonic() - start < 5


def test_a_draining_server_is_unready_and_sends_clients_elsewhere(base: Path) -> None:
    options = ServerOptions(base, port=0, grpc_port=0)
    with running_server(options) as server:
        server.drain()
        response, text = call(server, "GET", "/readyz")
        assert (response.status, text) == (503, b"not ready: the server is about to stop\n")
        assert check(server) == 2
        response, _ = call(server, "POST", "/v1/models/ranker:predict", b'{"inputs": [1]}')
        assert (response.status, response.getheader("connection")) == (200, "close")


def test_a_stopping_server_lets_no_request_wait_for_a_batch(base: Path) -> None:
    batching = BatchingParameters(batch_timeout_micros=60 * 10**6)
    answers: list[Any] = []

    def ask() -> None:
        body = b'{"inputs": [1, 2]}'
        answers.append(call(server, "POST", "/v1/models/ranker:predict", body)[1])

    with running_server(ServerOptions(base, port=0, grpc_port=None, batching=batching)) as server:
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        while server._workers._calls < 3:
            time.sleep(0.001)
        start = time.monotonic()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start < 5
    assert [json.loads(answer) for answer in answers] == [{"outputs": [2.0, 4.0]}] * 3


def test_rankings_are_the_same_with_batches(server: Any, base: Path) -> None:
    batching = BatchingParameters(max_batch_size=64, batch_timeout_micros=1000)
    user = {"age": 30, "interests": ["nike"]}
    candidates = [{"item_id": i, "brand": "nike", "price": i % 7} for i in range(100)]
    with (
        running_server(ServerOptions(base, port=0, grpc_port=0, batching=batching)) as batched,
        Ranker(f"http://127.0.0.1:{batched.port}") as ranker,
        Ranker(f"http://127.0.0.1:{server.port}", model="a") as alone,
    ):
        for size in (1, 2, 100):
            expected = alone.rank(user, candidates[:size]).to_document()
            assert ranker.rank(user, candidates[:size]).to_document() == expected
        call(batched, "POST", "/v1/models/ranker:predict", b'{"inputs": [1, 2]}')
        _, page = call(batched, "GET", METRICS_PATH)
    # A user's candidates are a batch already.
    assert b"\n:tensorflow:serving:batching_session:wrapped_run_count 1.0\n" in page


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config { enable: true }", METRICS_PATH),
        ('prometheus_config { enable: true path: "/m" }', "/m"),
        ('prometheus_config { path: "/m" }', None),
        ("", None),
    ],
)
def test_a_file_says_where_the_metrics_are(tmp_path: Path, text: str, path: str | None) -> None:
    (tmp_path / "monitoring").write_text(text)
    assert read_monitoring_file(tmp_path / "monitoring") == path


def test_a_file_that_is_no_monitoring_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "monitoring").write_text("enable: true")
    with pytest.raises(ConfigError, match=r"must be a MonitoringConfig in text format: 1:1"):
        read_monitoring_file(tmp_path / "monitoring")


def test_health_says_which_models_are_missing() -> None:
    class Models:
        def missing(self) -> list[str]:
            return ["a", "b"]

    health = Health(Models())  # type: ignore[arg-type]
    assert health.explain() == "no version is available of: a, b"
