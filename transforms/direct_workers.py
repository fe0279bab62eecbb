"""The processes of `beam.workers`: none outlives its job, and none that dies stalls it.

Beam's own handler waits for ever in two cases: for the answer of a process that was killed,
and, when a job has failed, for the end of a process that had not connected by then.
"""

import threading
from contextlib import suppress

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner import worker_handlers

from transforms.errors import WorkerLostError

_POLL_SECONDS = 0.1


class DirectWorker(worker_handlers.SubprocessSdkWorkerHandler):  # type: ignore[misc]
    """One process of the direct runner."""

    def start_worker(self) -> None:
        """Starts the process, and a thread that waits for its end."""
        self._is_over = threading.Event()
        super().start_worker()
        threading.Thread(target=self._watch, name="watch_worker", daemon=True).start()

    def close(self) -> None:
        """Ends the process, also one that connects only now."""
        self._is_over.set()
        self.control_conn.push(worker_handlers.Sentinel.sentinel)
        super().close()

    def _watch(self) -> None:
        """Fails what the job asks of a process that has ended, until the job is over."""
        self.worker_thread.join()
        lost = WorkerLostError("beam.workers: a process has ended before its job")
        while not self._is_over.wait(_POLL_SECONDS):
            # The job may ask for more at this moment; that is seen the next time.
            with suppress(RuntimeError):
                self.control_conn.abort(lost)


def register() -> None:
    """Lets the direct runner start its processes by `DirectWorker`."""
    kind = worker_handlers.WorkerHandler
    kind.register_environment(python_urns.SUBPROCESS_SDK, bytes)(DirectWorker)
