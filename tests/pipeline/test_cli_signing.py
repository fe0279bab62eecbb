"""Signing on the command line: of a run, before it begins, and of a model by hand."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import cli
from serving.manifest.check import check_model
from serving.manifest.keys import read_verify_keys
from tests.pipeline.tiny import write_tiny
from tests.serving.signing import write_keys
from transforms.errors import ConfigError, InputError


def gaterank(*arguments: object, **variables: str) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], env=variables)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_a_model_is_signed_by_hand(model, tmp_path):
    private, public = write_keys(tmp_path)
    for option in (["--signing-key", private], []):
        result = gaterank("sign", model, *option, GATERANK_SIGNING_KEY=str(private))
        assert result.exit_code == 0, result.output
        assert "1 files of mine, signed by " in result.output
    check_model(model, read_verify_keys(public))


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["sign", "mine"], ConfigError, "--signing-key: must be given"),
        (["sign", ".", "--signing-key", "signing.pem"], InputError, "must be a SavedModel"),
        (["sign", "mine", "--signing-key", "none.pem"], InputError, "none.pem: cannot be read"),
        (["score", "mine", "tiny.yaml", "--logs", ".", "--out", "x.parquet",
          "--verify-key", "signing.public.pem"], InputError, "must be signed"),
        (["score", "mine", "tiny.yaml", "--logs", ".", "--out", "x.parquet",
          "--verify-key", "signing.pem"], InputError, "Received: a private key"),
        (["serve", "mine", "--verify-key", "signing.pem"], InputError, "a private key"),
    ],
)  # fmt: skip
def test_a_mistake_is_said(arguments, kind, message, model, tmp_path, monkeypatch):
    write_keys(tmp_path)
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    error = gaterank(*arguments).exception
    assert isinstance(error, kind)
    assert message in str(error)


@pytest.mark.parametrize("verb", ["run", "step"])
def test_a_run_with_a_key_that_cannot_be_used_does_not_begin(verb, tmp_path):
    config, _ = write_tiny(tmp_path)
    private, _ = write_keys(tmp_path)
    private.chmod(0o644)
    (tmp_path / "logs").mkdir()
    place = ["--workspace", tmp_path / "ws", "--logs", tmp_path / "logs"]
    node = ["Pusher", "--run-id", "r"] if verb == "step" else []
    error = gaterank(verb, config, *node, *place, GATERANK_SIGNING_KEY=str(private)).exception
    assert isinstance(error, InputError)
    assert "owner only (chmod 600)" in str(error)
