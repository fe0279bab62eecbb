"""How the embedded server runs."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from serving.server.models.config import ModelConfig
from transforms.errors import ConfigError

_MEGABYTE = 2**20
# What the paths of the REST API can name.
_NAME = re.compile(r"[^/:]+")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What to serve, where, and within which bounds.

    Attributes:
        model_dir: the folder of numbered versions of one model.
        name: under which that model is served.
        models: several models, in place of `model_dir` and `name`.
        host: the address to listen on; by default only this machine can connect.
        port: of REST; 0 takes a free one.
        grpc_port: of gRPC; 0 takes a free one, None opens none.
        poll_seconds: how often the folders are looked at for new versions.
        threads: how many requests compute at once.
        max_waiting: requests beyond `threads` that may wait; more are refused.
        max_request_bytes: of a request's body, also after decompression.
        max_connections: open REST connections.
        body_seconds: how long a client may take to send a body.
        grace_seconds: how long running requests may take once the server is stopped.
        allow_labels_for_unavailable: whether a new label may name a version that is not
            served yet.
        metrics_path: where Prometheus finds the metrics; None for nowhere.

    Raises:
        ConfigError: if a bound makes no sense or there is nothing to serve.
    """

    model_dir: Path | None = None
    name: str = "ranker"
    models: tuple[ModelConfig, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int | None = 8500
    poll_seconds: float = 1.0
    threads: int = field(default_factory=lambda: 2 * (os.cpu_count() or 1))
    max_waiting: int = 1000
    max_request_bytes: int = 64 * _MEGABYTE
    max_connections: int = 1000
    body_seconds: float = 30.0
    grace_seconds: float = 10.0
    allow_labels_for_unavailable: bool = False
    metrics_path: str | None = "/monitoring/prometheus/metrics"

    def __post_init__(self) -> None:
        if (self.model_dir is None) == (not self.models):
            raise ConfigError("exactly one of `model_dir` and `models` must be given")
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"a model's name must have no / and no :. Received: {self.name!r}")
        for port in (self.port, self.grpc_port or 0):
            if not 0 <= port < 65536:
                raise ConfigError(f"a port must be in [0, 65535]. Received: {port}")
        for bound in ("threads", "max_request_bytes", "max_connections"):
            if getattr(self, bound) < 1:
                raise ConfigError(f"`{bound}` must be at least 1. Received: {getattr(self, bound)}")
        for seconds in ("poll_seconds", "body_seconds"):
            if getattr(self, seconds) <= 0:
                raise ConfigError(
                    f"`{seconds}` must be more than 0. Received: {getattr(self, seconds)}"
                )

    def configs(self) -> tuple[ModelConfig, ...]:
        """The models to serve, their folders as absolute paths."""
        if self.model_dir is None:
            return self.models
        return (ModelConfig(self.name, self.model_dir.absolute()),)
