"""Counts of requests and their times, under TensorFlow Serving's metric names."""

import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from serving.server.models.registry import Registry
from serving.server.status import Code

_PREFIX = ":tensorflow:serving:"
_API_NAMES = {"predict": "Predict", "classify": "Classify", "regress": "Regress"}
# Microseconds, from 10 to about 20 minutes, each 1.8 times the one before.
_BUCKETS = tuple(10 * 1.8**power for power in range(33))


class Metrics:
    """The server's metrics.

    Args:
        registry: names the models that are served; a request for any other model counts
            under an empty name, so that made-up names take no memory.
    """

    def __init__(self, registry: Registry) -> None:
        self._models = registry
        self._collectors = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}request_count",
            "Requests by model and status.",
            ["model_name", "status"],
            registry=self._collectors,
        )
        self._latency = Histogram(
            f"{_PREFIX}request_latency",
            "Microseconds of requests that were answered.",
            ["model_name", "API", "entrypoint"],
            registry=self._collectors,
            buckets=_BUCKETS,
        )

    def record(self, model: str, verb: str, entrypoint: str, code: Code, start: float) -> None:
        """Counts a request.

        Args:
            model: that it named.
            verb: `predict`, `classify`, `regress` or another.
            entrypoint: `REST` or `GRPC`.
            code: of the answer.
            start: when it came, by `time.perf_counter`.
        """
        name = model if self._models.versions(model) else ""
        self._requests.labels(name, code.name).inc()
        if code == Code.OK:
            api = _API_NAMES.get(verb, "")
            microseconds = (time.perf_counter() - start) * 1e6
            self._latency.labels(name, api, entrypoint).observe(microseconds)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        # The library calls a counter `..._total`; TensorFlow Serving does not.
        counter = f"{_PREFIX}request_count"
        return generate_latest(self._collectors).replace(
            f"{counter}_total".encode(), counter.encode()
        )
