"""The threads that compute batches, for all models together."""

import math
import threading
import time
from collections.abc import Hashable, Mapping

import numpy as np

from serving.server.batching.compute import compute_batch
from serving.server.batching.metrics import BatchingMetrics
from serving.server.batching.parameters import BatchingParameters
from serving.server.batching.queues import Batch, Queues, Run
from serving.server.signatures import Array


class BatchScheduler:
    """Joins requests that come at about the same time, and computes them.

    Args:
        parameters: sizes, times and threads.
        metrics: what is counted of batches.
    """

    def __init__(self, parameters: BatchingParameters, metrics: BatchingMetrics) -> None:
        self.parameters = parameters
        self._metrics = metrics
        self._queues = Queues(parameters)
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, kind: Hashable, run: Run, feeds: Mapping[str, Array], size: int) -> list[Array]:
        """Computes a request together with others of its kind; waits for the answer.

        Args:
            kind: equal for requests that can be joined.
            run: computes a batch of this kind.
            feeds: tensor name -> array [size, ...].
            size: rows, at least 1.

        Raises:
            ServingError: if the request is too large, the queue is full, or the model
                refuses it.
        """
        self._metrics.record_request(size, len(feeds))
        with self._changed:
            if not self._stopping:
                parts = self._queues.add(kind, run, feeds, size, time.monotonic())
                self._changed.notify()
            else:
                parts = []
        if not parts:
            return run(feeds)
        answers = [part.answer.result() for part in parts]
        if len(answers) == 1:
            return answers[0]
        return [np.concatenate(arrays) for arrays in zip(*answers, strict=True)]

    def stop(self) -> None:
        """Computes what waits, then ends the threads; later requests are computed alone."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            now = time.monotonic()
            self._metrics.record_batch(
                batch.size,
                self.parameters.padded_size(batch.size),
                [now - part.arrived for part in batch.parts],
            )
            compute_batch(batch, self.parameters)

    def _next(self) -> Batch | None:
        """Waits for a batch that is due; None once there will be no more."""
        with self._changed:
            while True:
                now = math.inf if self._stopping else time.monotonic()
                batch = self._queues.take(now)
                if batch is not None:
                    if self._queues:
                        # Another thread may compute what this one leaves, or watches it.
                        self._changed.notify()
                    return batch
                if self._stopping:
                    return None
                due = self._queues.next_time()
                self._changed.wait(None if due is None else max(due - now, 0.0))
