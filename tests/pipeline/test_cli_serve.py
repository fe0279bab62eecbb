"""The options of `gaterank serve`, without a server."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import serving.server
from pipeline.cli import serve as verb
from serving.server import All, BatchingParameters, Latest, ServerOptions, Specific
from transforms.errors import ConfigError, GaterankError, InputError

Serve = Callable[..., ServerOptions]
CONFIG = """
model_config_list {
  config { name: "a" base_path: "/models/a" model_platform: "tensorflow" }
  config {
    name: "b" base_path: "/models/b" model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 4 } }
    version_labels { key: "canary" value: 4 }
  }
  config {
    name: "c" base_path: "/models/c" model_platform: "tensorflow"
    model_version_policy { all {} }
  }
}
"""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Runs the verb; gives the options that a server would have got."""
    got: list[ServerOptions] = []
    monkeypatch.setattr(verb, "load_tensorflow", lambda: None)
    monkeypatch.setattr(serving.server, "serve", got.append)

    def run(*arguments: str | Path) -> ServerOptions:
        result = CliRunner().invoke(verb.serve, [str(one) for one in arguments])
        if isinstance(result.exception, GaterankError):
            raise result.exception
        if result.exit_code:
            raise click.UsageError(result.output)
        return got.pop()

    return run


def test_one_model_is_served_with_the_defaults_of_the_server(serve: Serve, tmp_path: Path) -> None:
    assert serve(tmp_path) == ServerOptions(model_dir=tmp_path)


def test_a_file_names_several_models(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text(CONFIG)
    options = serve("--config", file, "--config-poll-seconds", "5")
    a, b, c = options.configs()
    assert (a.name, a.base_path, a.policy) == ("a", Path("/models/a"), Latest())
    assert (b.policy, b.labels) == (Specific(frozenset({3, 4})), {"canary": 4})
    assert c.policy == All()
    assert (options.config_file, options.config_poll_seconds) == (file, 5.0)


def test_every_option_reaches_the_server(serve: Serve, tmp_path: Path) -> None:
    line = (
        "--name m --host 0.0.0.0 --port 1 --grpc-port 2 --poll-seconds 3 --threads 4 "
        "--max-waiting 5 --max-request-bytes 6 --grace-seconds 7 --metrics-path /m "
        "--drain-seconds 8 --gzip-bytes 9 "
        "--allow-version-labels-for-unavailable-models"
    )
    assert serve(tmp_path, *line.split()) == ServerOptions(
        model_dir=tmp_path,
        name="m",
        host="0.0.0.0",
        port=1,
        grpc_port=2,
        poll_seconds=3,
        threads=4,
        max_waiting=5,
        max_request_bytes=6,
        grace_seconds=7,
        drain_seconds=8,
        gzip_bytes=9,
        metrics_path="/m",
        allow_labels_for_unavailable=True,
    )


def test_a_file_says_how_requests_are_batched(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "batching").write_text("max_batch_size { value: 64 }")
    options = serve(tmp_path, "--batching", tmp_path / "batching")
    assert options.batching == BatchingParameters(max_batch_size=64)
    assert options.worker_threads() == 16 * serve(tmp_path).worker_threads()


def test_a_file_has_the_certificate_of_both_ports_or_of_one(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "ssl").write_text("server_key: 'no key'")
    with pytest.raises(ConfigError, match="ssl: `server_key` and `server_cert` must be a private"):
        serve(tmp_path, "--ssl-config", tmp_path / "ssl")
    assert serve(tmp_path).rest_tls
    assert not serve(tmp_path, "--no-rest-tls").rest_tls


def test_ports_and_metrics_can_be_left_out(serve: Serve, tmp_path: Path) -> None:
    assert serve(tmp_path, "--no-rest").port is None
    options = serve(tmp_path, "--no-grpc", "--no-metrics", "--no-gzip")
    assert (options.grpc_port, options.metrics_path, options.gzip_bytes) == (None, None, None)


def test_a_file_says_where_the_metrics_are(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "monitoring"
    file.write_text('prometheus_config { enable: true path: "/m" }')
    assert serve(tmp_path, "--monitoring-config", file).metrics_path == "/m"
    file.write_text("prometheus_config {}")
    assert serve(tmp_path, "--monitoring-config", file).metrics_path is None
    with pytest.raises(ConfigError, match="at most one of --metrics-path, --no-metrics and"):
        serve(tmp_path, "--monitoring-config", file, "--no-metrics")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ConfigError, "must hold a model_config_list"),
        ("model_config_list {}", ConfigError, "must name at least one model"),
        ("model_config_list { colour: 1 }", ConfigError, '1:21 : .* no field named "colour"'),
        ("model_config_list {" * 5000, ConfigError, "must be a ModelServerConfig in text format"),
        (CONFIG.replace("/models/a", "models/a"), ConfigError, "model a to have an absolute path"),
        (CONFIG.replace('"b"', '"a"'), ConfigError, "Illegal to list model a multiple times"),
        (CONFIG.replace('"tensorflow"', '"pytorch"', 1), ConfigError, "platform pytorch"),
        (CONFIG.replace('"a"', '"a:b"'), ConfigError, "no / and no :. Received: 'a:b'"),
        ("#" * (10 * 2**20 + 1), ConfigError, "must be at most 10485760 bytes"),
        (None, InputError, "models.config: cannot be read: No such file"),
    ],
)
def test_a_file_of_models_that_cannot_be_served_is_refused(
    serve: Serve, tmp_path: Path, text: str | None, error: type[Exception], message: str
) -> None:
    if text is not None:
        (tmp_path / "models.config").write_text(text)
    with pytest.raises(error, match=message):
        serve("--config", tmp_path / "models.config")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "exactly one of MODEL_DIR and --config must be given"),
        ("models --config models.config", "exactly one of MODEL_DIR and --config must be given"),
        ("models --config-poll-seconds 1", "`config_poll_seconds` is for models of a"),
        ("models --no-rest --no-grpc", "at least one of REST and gRPC must be served"),
        ("models --port 8500", "REST and gRPC must have ports of their own. Received: 8500"),
        ("models --metrics-path metrics", "`metrics_path` must begin with /. Received: 'metrics'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    serve: Serve, line: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        serve(*line.split())


def test_a_number_out_of_its_range_is_refused(serve: Serve) -> None:
    with pytest.raises(click.UsageError, match="Invalid value for '--threads': 0 is not in"):
        serve("models", "--threads", "0")
