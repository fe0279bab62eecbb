"""The server as a process of its own: it says when it is ready and drains on SIGTERM."""

import http.client
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import pathlib, sys
from serving.server import ServerOptions, serve
options = {name: float(value) for name, value in (one.split("=") for one in sys.argv[2:])}
serve(ServerOptions(model_dir=pathlib.Path(sys.argv[1]), port=0, grpc_port=0, **options))
"""
PREDICT = "/v1/models/ranker:predict"


@contextmanager
def process(base: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """The running server with its ports of REST and gRPC."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(base), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            match = re.fullmatch(
                r"Serving ranker: REST on http://127.0.0.1:(\d+)/v1/models/, "
                r"gRPC on 127.0.0.1:(\d+)\n",
                server.stdout.readline(),
            )
            assert match is not None
            yield server, int(match[1]), int(match[2])
        finally:
            server.kill()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from toy_ranker import write_version

    base = tmp_path_factory.mktemp("models") / "ranker"
    write_version(base, 1, weight=2.0)
    return base


def get_status(port: int, method: str, path: str, body: bytes | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_finishes_requests_on_a_signal(
    base: Path, number: signal.Signals
) -> None:
    answers: list[int] = []
    with process(base) as (server, port, _):
        body = b'{"inputs": [%s1]}' % (b"1," * 10**6)
        thread = threading.Thread(
            target=lambda: answers.append(get_status(port, "POST", PREDICT, body))
        )
        thread.start()
        thread.join(0.1)
        server.send_signal(number)
        thread.join(20)
        assert server.wait(20) == 0
    assert answers == [200]


@pytest.mark.slow
def test_no_request_fails_while_a_load_balancer_takes_the_server_out(base: Path) -> None:
    with process(base, "drain_seconds=2") as (server, port, rpc_port):
        rest = Clients(
            4,
            lambda: get_status(port, "POST", PREDICT, b'{"inputs": [1, 2]}') == 200,
            lambda: get_status(port, "GET", "/readyz") == 200,
        )
        with grpc.insecure_channel(f"127.0.0.1:{rpc_port}") as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            status = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
            rpc = Clients(
                4, lambda: b"\x08" in status(b"\x0a\x08\x0a\x06ranker"), lambda: check(b"")[1] == 1
            )
            time.sleep(0.5)
            before = (rest.answered, rpc.answered)
            server.send_signal(signal.SIGTERM)
            for clients, count in zip((rest, rpc), before, strict=True):
                clients.join()
                assert clients.failures == []
                assert clients.answered > count > 0
        assert server.wait(20) == 0
    with pytest.raises(ConnectionRefusedError):
        get_status(port, "GET", "/healthz")


@pytest.mark.slow
def test_a_second_signal_ends_the_draining(base: Path) -> None:
    with process(base, "drain_seconds=600") as (server, port, _):
        server.send_signal(signal.SIGTERM)
        while get_status(port, "GET", "/readyz") == 200:
            time.sleep(0.01)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


class Clients:
    """Threads that ask as long as the server says that it is ready.

    Args:
        threads: how many.
        ask: sends a request; whether it was answered rightly.
        is_ready: asks whether further ones may come.
    """

    def __init__(self, threads: int, ask: Callable[[], bool], is_ready: Callable[[], bool]) -> None:
        self.answered = 0
        self.failures: list[Any] = []
        self._ask, self._is_ready = ask, is_ready
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)

    def _work(self) -> None:
        try:
            while self._is_ready():
                assert self._ask()
                self.answered += 1
        except Exception as error:
            self.failures.append(error)
