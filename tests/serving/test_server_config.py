"""A running server follows its file of models."""

import http.client
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from serving.server import ServerOptions, running_server
from serving.server.settings.model_configs import read_config_file


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from toy_ranker import write_version

    base = tmp_path_factory.mktemp("models") / "ranker"
    for version in (1, 2):
        write_version(base, version, weight=float(version))
    return base


def write_config(path: Path, base: Path, stable: int, *more: str) -> None:
    """Both versions under the labels of a canary, and further models."""
    labels = {"stable": stable, "canary": 2}
    named = " ".join(
        f'version_labels {{ key: "{label}" value: {version} }}' for label, version in labels.items()
    )
    models = {"ranker": f"model_version_policy {{ latest {{ num_versions: 2 }} }} {named}"}
    text = " ".join(
        f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {rest} }}'
        for name, rest in (models | dict.fromkeys(more, "")).items()
    )
    new = path.with_suffix(".new")
    new.write_text(f"model_config_list {{ {text} }}")
    new.replace(path)


def ask(server: Any, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", f"/v1/models/{path}:predict", b'{"inputs": [1]}')
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text)


def test_labels_move_and_models_come_and_go_without_a_failed_request(
    base: Path, tmp_path: Path
) -> None:
    file = tmp_path / "models.config"
    write_config(file, base, stable=1)
    options = ServerOptions(
        models=read_config_file(file),
        config_file=file,
        config_poll_seconds=0.05,
        port=0,
        grpc_port=None,
    )
    answers: list[tuple[int, Any]] = []
    stop = threading.Event()
    with running_server(options) as server:

        def keep_asking() -> None:
            while not stop.is_set():
                answers.append(ask(server, "ranker/labels/stable"))

        thread = threading.Thread(target=keep_asking)
        thread.start()
        assert ask(server, "ranker/labels/canary") == (200, {"outputs": [2.0]})
        write_config(file, base, 2, "other")
        wait_for(server, "other", 200)
        write_config(file, base, 2)
        wait_for(server, "other", 404)
        stop.set()
        thread.join()
    assert {status for status, _ in answers} == {200}
    values = [document["outputs"] for _, document in answers]
    assert (values[0], values[-1]) == ([1.0], [2.0])
    assert values == sorted(values)


def wait_for(server: Any, path: str, status: int) -> None:
    deadline = time.monotonic() + 20
    while ask(server, path)[0] != status:
        assert time.monotonic() < deadline
        time.sleep(0.01)
