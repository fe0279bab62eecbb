"""The server as a process of its own: it says when it is ready and drains on SIGTERM."""

import http.client
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import pathlib, sys
from serving.server import ServerOptions, serve
serve(ServerOptions(model_dir=pathlib.Path(sys.argv[1]), port=0, grpc_port=0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_finishes_requests_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    from toy_ranker import write_version

    write_version(tmp_path / "ranker", 1, weight=2.0)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "ranker")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    match = re.fullmatch(
        r"Serving ranker: REST on http://127.0.0.1:(\d+)/v1/models/, gRPC on 127.0.0.1:\d+\n",
        process.stdout.readline(),
    )
    assert match is not None
    answers: list[int] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(match[1]))
        connection.request(
            "POST", "/v1/models/ranker:predict", b'{"inputs": [%s1]}' % (b"1," * 10**6)
        )
        answers.append(connection.getresponse().status)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(0.1)
    process.send_signal(number)
    thread.join(20)
    assert process.wait(20) == 0
    assert answers == [200]
