"""Counts and sizes of batches, under TensorFlow Serving's metric names."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

_PREFIX = ":tensorflow:serving:batching_session:"
_SIZES = tuple(2**power for power in range(14))
# Microseconds, from 100 to about a second, each 1.2 times the one before.
_MICROSECONDS = tuple(100 * 1.2**power for power in range(52))


class BatchingMetrics:
    """The metrics of batches.

    Args:
        collectors: of the server's page of metrics.
    """

    def __init__(self, collectors: CollectorRegistry) -> None:
        self._inputs = Histogram(
            f"{_PREFIX}input_batch_size", "Rows of each input.", registry=collectors, buckets=_SIZES
        )
        self._processed = Histogram(
            f"{_PREFIX}processed_batch_size",
            "Rows of the batches that were computed.",
            registry=collectors,
            buckets=_SIZES,
        )
        self._padding = Histogram(
            f"{_PREFIX}padding_size",
            "Rows that filled up batches.",
            ["execution_batch_size"],
            registry=collectors,
            buckets=_SIZES,
        )
        self._queuing = Histogram(
            f"{_PREFIX}queuing_latency",
            "Microseconds that requests waited for their batch.",
            ["thread_pool_name"],
            registry=collectors,
            buckets=_MICROSECONDS,
        )
        self._runs = Counter(
            f"{_PREFIX}wrapped_run_count", "Batches that were computed.", registry=collectors
        )

    def record_request(self, size: int, inputs: int) -> None:
        """Counts a request of that many rows in each of its inputs."""
        for _ in range(inputs):
            self._inputs.observe(size)

    def record_batch(self, size: int, padded: int, waited: Iterable[float]) -> None:
        """Counts a batch.

        Args:
            size: its requests' rows.
            padded: the same with what filled it up.
            waited: seconds that each request waited.
        """
        self._runs.inc()
        self._processed.observe(padded)
        self._padding.labels(str(padded)).observe(padded - size)
        queuing = self._queuing.labels("")
        for seconds in waited:
            queuing.observe(seconds * 1e6)
