"""Counts of requests and their times, under TensorFlow Serving's metric names."""

import re
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from serving.server.inference.measured import MeasuredModel
from serving.server.inference.predict import Model
from serving.server.models.registry import Registry
from serving.server.status import Code

_CREATED = re.compile(rb"(?m)^(?:# \w+ )?[\w:]+_created[ {].*\n")
_PREFIX = ":tensorflow:serving:"
_API_NAMES = {"predict": "Predict", "classify": "Classify", "regress": "Regress"}
# TensorFlow Serving's word for a session, as it is here.
_RUNTIME = "TF1"
# Microseconds, from 10 to about 20 minutes, each 1.8 times the one before.
_MICROSECONDS = tuple(10 * 1.8**power for power in range(33))
_COUNTS = tuple(2**power for power in range(15))


class Metrics:
    """The server's metrics.

    Args:
        registry: names the models that are served; a request for any other model counts
            under an empty name, so that made-up names take no memory.

    Attributes:
        collectors: for further metrics of the same page.
    """

    def __init__(self, registry: Registry) -> None:
        self._models = registry
        self.collectors = CollectorRegistry()
        self._requests = self._counter("request_count", "Requests.", "model_name", "status")
        self._latency = self._histogram(
            "request_latency", "Microseconds of answers.", "model_name", "API", "entrypoint"
        )
        self._runtime = self._histogram(
            "runtime_latency", "Microseconds of the graph.", "model_name", "API", "runtime"
        )
        self._example_counts = self._histogram(
            "request_example_counts", "tf.Examples of a request.", "model", buckets=_COUNTS
        )
        self._examples = self._counter("request_example_count_total", "tf.Examples.", "model")
        # TensorFlow Serving has no such metric.
        self._loads = Counter(
            ":gaterank:serving:version_loads",
            "Versions that were tried.",
            ("model_name", "status"),
            registry=self.collectors,
        )
        self._warm_up = self._histogram(
            "model_warmup_latency", "Microseconds of recorded requests.", "model_path", "status"
        )
        self._warm_up_records = self._counter(
            "model_warmup_records_read", "Recorded requests.", "model_path", "status"
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

    def record_examples(self, model: str, count: int) -> None:
        """Counts the tf.Examples of a request for several tasks."""
        self._example_counts.labels(model).observe(count)
        self._examples.labels(model).inc(count)

    def record_load(self, model: str, code: Code) -> None:
        """Counts a version that was to be loaded, by what became of it."""
        self._loads.labels(model, code.name).inc()

    def record_warm_up(self, path: Path, code: Code, records: int, seconds: float) -> None:
        """Counts the replay of a version's recorded requests.

        Args:
            path: of the version.
            code: OK, or why it failed.
            records: requests.
            seconds: they took.
        """
        self._warm_up.labels(str(path), code.name).observe(seconds * 1e6)
        self._warm_up_records.labels(str(path), code.name).inc(records)

    def measured(self, model: Model, verb: str) -> MeasuredModel:
        """The model, with the time of its graph counted for `predict` and its like."""
        runtime = self._runtime.labels(model.name, _API_NAMES[verb], _RUNTIME)
        return MeasuredModel(model, lambda seconds: runtime.observe(seconds * 1e6))

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        text = generate_latest(self.collectors)
        # The library calls a counter `..._total` and says when it was made; TensorFlow
        # Serving says neither, but where the name itself ends so.
        for family in self.collectors.collect():
            if family.type == "counter" and not family.name.endswith("example_count"):
                text = text.replace(f"{family.name}_total".encode(), family.name.encode())
        return _CREATED.sub(b"", text)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}{name}", text, labels, registry=self.collectors)

    def _histogram(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = _MICROSECONDS
    ) -> Histogram:
        registry = self.collectors
        return Histogram(f"{_PREFIX}{name}", text, labels, registry=registry, buckets=buckets)
