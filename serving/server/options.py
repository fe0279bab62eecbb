"""How the embedded server runs."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from serving.manifest.keys import VerifyKeys
from serving.server.batching.parameters import BatchingParameters
from serving.server.models.config import ModelConfig
from serving.server.request_log.options import RequestLogOptions
from serving.server.tls import ServerTls
from transforms.errors import ConfigError

_MEGABYTE = 2**20
# What the paths of the REST API can name.
_NAME = re.compile(r"[^/:]+")
METRICS_PATH = "/monitoring/prometheus/metrics"
"""Where TensorFlow Serving has its metrics."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What to serve, where, and within which bounds.

    Attributes:
        model_dir: the folder of numbered versions of one model.
        name: under which that model is served.
        models: several models, in place of `model_dir` and `name`.
        config_file: where `models` were read, to be read again.
        config_poll_seconds: how often; 0 for never.
        host: the address to listen on; by default only this machine can connect.
        port: of REST; 0 takes a free one, None opens none.
        grpc_port: of gRPC; 0 takes a free one, None opens none.
        poll_seconds: how often the folders are looked at for new versions.
        threads: how many requests are worked on at once; None for 2 a core, and 32 a core
            if they are batched, as most of them then wait for others.
        max_waiting: requests beyond `threads` that may wait; more are refused.
        max_request_bytes: of a request's body, also after decompression.
        max_connections: open REST connections.
        body_seconds: how long a client may take to send the headers over REST, and the body.
        drain_seconds: how long the server still takes requests after it was told to stop,
            and has said that it is not ready.
        grace_seconds: how long running requests may take once the server is stopped.
        allow_labels_for_unavailable: whether a new label may name a version that is not
            served yet.
        metrics_path: where Prometheus finds the metrics; None for nowhere.
        batching: how requests are computed together; None computes each alone.
        gzip_bytes: REST answers of so many bytes are compressed for clients that accept it;
            None compresses none.
        tls: the server's certificate; None for no encryption.
        rest_tls: whether it is for REST too, or for gRPC only.
        reload_requests: whether a request over gRPC may change which models are served.
        verify_keys: a version must be signed by one of them; None loads any model.
        request_log: what is written down of rankings, and where; None for nothing.

    Raises:
        ConfigError: if a bound makes no sense or there is nothing to serve.
    """

    model_dir: Path | None = None
    name: str = "ranker"
    models: tuple[ModelConfig, ...] = ()
    config_file: Path | None = None
    config_poll_seconds: float = 0.0
    host: str = "127.0.0.1"
    port: int | None = 8501
    grpc_port: int | None = 8500
    poll_seconds: float = 1.0
    threads: int | None = None
    max_waiting: int = 1000
    max_request_bytes: int = 64 * _MEGABYTE
    max_connections: int = 1000
    body_seconds: float = 30.0
    drain_seconds: float = 0.0
    grace_seconds: float = 10.0
    allow_labels_for_unavailable: bool = False
    metrics_path: str | None = METRICS_PATH
    batching: BatchingParameters | None = None
    gzip_bytes: int | None = 65536
    tls: ServerTls | None = None
    rest_tls: bool = True
    reload_requests: bool = True
    verify_keys: VerifyKeys | None = None
    request_log: RequestLogOptions | None = None

    def __post_init__(self) -> None:
        if (self.model_dir is None) == (not self.models):
            raise ConfigError("exactly one of `model_dir` and `models` must be given")
        if self.config_poll_seconds > 0 and self.config_file is None:
            raise ConfigError("`config_poll_seconds` is for models of a `config_file`")
        for config in self.configs():
            if not _NAME.fullmatch(config.name):
                raise ConfigError(
                    f"a model's name must have no / and no :. Received: {config.name!r}"
                )
        self._check_ports()
        self._check_bounds()
        if self.metrics_path is not None and not self.metrics_path.startswith("/"):
            raise ConfigError(f"`metrics_path` must begin with /. Received: {self.metrics_path!r}")

    def configs(self) -> tuple[ModelConfig, ...]:
        """The models to serve, their folders as absolute paths."""
        if self.model_dir is None:
            return self.models
        return (ModelConfig(self.name, self.model_dir.absolute()),)

    def worker_threads(self) -> int:
        """How many requests are worked on at once."""
        a_core = 2 if self.batching is None else 32
        return self.threads or a_core * (os.cpu_count() or 1)

    def _check_ports(self) -> None:
        ports = [port for port in (self.port, self.grpc_port) if port is not None]
        if not ports:
            raise ConfigError("at least one of REST and gRPC must be served")
        for port in ports:
            if not 0 <= port < 65536:
                raise ConfigError(f"a port must be in [0, 65535]. Received: {port}")
        if len(ports) == 2 and ports[0] == ports[1] != 0:
            raise ConfigError(f"REST and gRPC must have ports of their own. Received: {ports[0]}")

    def _check_bounds(self) -> None:
        _check_least(self, 1, "max_request_bytes", "max_connections")
        if self.threads is not None:
            _check_least(self, 1, "threads")
        _check_least(
            self, 0, "max_waiting", "config_poll_seconds", "drain_seconds", "grace_seconds"
        )
        for seconds in ("poll_seconds", "body_seconds"):
            if not getattr(self, seconds) > 0:
                raise ConfigError(
                    f"`{seconds}` must be more than 0. Received: {getattr(self, seconds)}"
                )


def _check_least(options: ServerOptions, least: int, *names: str) -> None:
    for name in names:
        if not getattr(options, name) >= least:
            raise ConfigError(
                f"`{name}` must be at least {least}. Received: {getattr(options, name)}"
            )
