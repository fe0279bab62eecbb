"""A server that has a public key serves what was signed with the private one, and only that."""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

from pipeline.served.seal import Seal
from pipeline.served.versions import push_version
from serving.bulk_scoring.scorer import ExampleScorer
from serving.manifest.document import MANIFEST_FILE, SIGNATURE_FILE
from serving.manifest.keys import read_signing_key, read_verify_keys
from serving.server import ServerOptions, running_server
from serving.server.models.load import load_model
from serving.server.status import Code, ServingError
from tests.serving.signing import write_keys
from tests.serving.toy_ranker import write_version
from transforms.errors import InputError


class Operator:
    """A folder that a server watches, and what its operator does there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.served = folder, folder / "served" / "ranker"
        self.private, self.public = write_keys(folder)
        self.models = [write_version(folder / "trained", n, float(n)) for n in (1, 2)]

    def push(self, model: int = 1, private: Path | None = None) -> Path:
        seal = Seal("ranker", read_signing_key(private or self.private))
        return push_version(self.models[model - 1], self.served, seal)

    def options(self, **more: Any) -> ServerOptions:
        keys = read_verify_keys(self.public)
        return ServerOptions(
            self.served, port=0, grpc_port=None, poll_seconds=0.05, verify_keys=keys, **more
        )


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.fixture
def server(operator: Operator) -> Iterator[Any]:
    operator.push()
    with running_server(operator.options()) as server:
        yield server


def get(server: Any, path: str, body: bytes | None = None) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST" if body else "GET", path, body)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def answer(server: Any) -> float:
    text = get(server, "/v1/models/ranker:predict", b'{"inputs": [1.0]}')
    return json.loads(text)["outputs"][0]


def status(server: Any, version: int) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        states = json.loads(get(server, "/v1/models/ranker"))["model_version_status"]
        for state in states:
            if state["version"] == str(version) and state["state"] in ("AVAILABLE", "END"):
                return state
        time.sleep(0.02)
    raise AssertionError(f"version {version} was not tried")


def put_in(version: Path, served: Path, name: str) -> None:
    """As somebody would who can write to the served folder."""
    shutil.copytree(version, served.parent / "hidden")
    (served.parent / "hidden").rename(served / name)


def test_what_is_not_signed_leaves_the_old_version_in_place_and_says_why(operator, server, caplog):
    put_in(operator.models[1], operator.served, "2")
    refused = status(server, 2)
    assert refused["status"]["error_code"] == "PERMISSION_DENIED"
    assert "must be signed" in refused["status"]["error_message"]
    assert "version 2 was not loaded: PERMISSION_DENIED" in caplog.text
    operator.push(2, write_keys(operator.folder, "stranger")[0])
    assert status(server, 3)["status"]["error_code"] == "PERMISSION_DENIED"
    assert answer(server) == 1.0
    page = get(server, "/monitoring/prometheus/metrics")
    counted = ':gaterank:serving:version_loads{model_name="ranker",status="%s"} %d.0'
    assert counted % ("OK", 1) in page
    assert counted % ("PERMISSION_DENIED", 2) in page


def test_what_was_signed_takes_over_and_so_does_its_copy_under_a_later_number(operator, server):
    operator.push(2)
    assert status(server, 2)["state"] == "AVAILABLE"
    assert answer(server) == 2.0
    put_in(operator.served / "1", operator.served, "3")
    assert status(server, 3)["state"] == "AVAILABLE"
    assert answer(server) == 1.0


def test_a_byte_that_changed_after_the_push_keeps_a_version_out_until_it_is_mended(
    operator, server
):
    put_in(operator.served / "1", operator.served.parent, "copy")
    copy = operator.served.parent / "copy"
    data = next((copy / "variables").glob("*.data-*"))
    whole = data.read_bytes()
    data.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    put_in(copy, operator.served, "2")
    refused = status(server, 2)["status"]
    assert refused["error_code"] == "DATA_LOSS"
    assert f"{data.name}: must have the SHA-256" in refused["error_message"]
    (operator.served / "2" / data.relative_to(copy)).write_bytes(whole)
    deadline = time.monotonic() + 20
    while status(server, 2)["state"] != "AVAILABLE":
        assert time.monotonic() < deadline


def test_a_manifest_is_held_against_the_files_also_without_a_key(operator):
    version = operator.push()
    load_model("ranker", 1, version).close()
    (version / "assets.extra" / "more").touch()
    with pytest.raises(ServingError, match="no files but those that its manifest lists") as error:
        load_model("ranker", 1, version)
    assert error.value.code == Code.DATA_LOSS
    with pytest.raises(InputError, match="no files but those"):
        ExampleScorer(operator.served)


def test_whoever_reaches_the_port_can_be_kept_from_changing_the_models(operator):
    operator.push()
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for allowed, code in ((True, grpc.StatusCode.OK), (False, grpc.StatusCode.PERMISSION_DENIED)):
        options = replace(operator.options(), grpc_port=0, reload_requests=allowed)
        with running_server(options) as server:
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                stub = model_service_pb2_grpc.ModelServiceStub(channel)
                call = stub.HandleReloadConfigRequest.future(request)
                assert call.code() == code
            assert bool(server.models.registry.names()) != allowed


def test_models_of_others_are_served_as_ever(operator):
    load_model("ranker", 1, operator.models[0]).close()


def test_a_file_that_changes_while_tensorflow_reads_is_noticed(operator, monkeypatch):
    version = operator.push()
    monkeypatch.setattr(
        "serving.server.models.load.warm_up",
        lambda model, path: (path / "saved_model.pb").touch(),
    )
    with pytest.raises(ServingError, match=r"saved_model.pb: must not change while the model is"):
        load_model("ranker", 1, version)


def test_bulk_scoring_takes_signed_models_only_if_it_has_a_key(operator):
    keys = read_verify_keys(operator.public)
    with pytest.raises(InputError, match="must be signed"):
        ExampleScorer(operator.models[0], keys)
    version = operator.push()
    assert ExampleScorer(operator.served, keys).model_dir == version


def test_a_server_that_finds_nothing_signed_ends_and_says_why(operator):
    operator.served.mkdir(parents=True)
    put_in(operator.models[0], operator.served, "1")
    with (
        pytest.raises(InputError, match=r"version 1: .* must be signed"),
        running_server(operator.options()),
    ):
        pass


def test_a_push_says_of_the_key_where_it_is_and_never_what_it_is(operator):
    seal = Seal("ranker", read_signing_key(operator.private))
    secret = operator.private.read_text().splitlines()[1]
    assert secret not in json.dumps(seal.config()) + repr(seal)
    version = operator.push()
    for name in (MANIFEST_FILE, SIGNATURE_FILE):
        assert secret.encode() not in (version / name).read_bytes()


def test_tensorflow_itself_does_not_mind(operator):
    """As TensorFlow Serving, which ignores assets.extra."""
    import tensorflow as tf

    assert "serving_default" in tf.saved_model.load(str(operator.push())).signatures


def test_openssl_and_sha256sum_are_enough_to_check_a_version(operator):
    version = operator.push()
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", operator.public, "-rawin"]
    command += ["-in", version / MANIFEST_FILE, "-sigfile", version / SIGNATURE_FILE]
    subprocess.run(command, check=True, capture_output=True)
    files = json.loads((version / MANIFEST_FILE).read_text())["files"]
    lines = "".join(f"{one['sha256']}  {name}\n" for name, one in files.items())
    done = subprocess.run(["sha256sum", "-c", "--strict"], input=lines, text=True, cwd=version)
    assert done.returncode == 0
