"""The processes of the trials that run now, which all end with the search."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from trainer.strategies.local_cluster import Process
from trainer.strategies.member import TIED
from trainer.tuning.job import TrialJob
from trainer.tuning.result import TrialResult, read_result, write_json

_TRIAL_MODULE = "trainer.tuning.trial"
_GRACE_SECONDS = 10.0


class TrialProcesses:
    """Starts a process a trial; after `end` none runs and none begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.ended = False

    def run(self, job: TrialJob) -> TrialResult | None:
        """Runs a trial and waits for it.

        Args:
            job: the trial; what it says goes to `log.txt` in its folder.

        Returns:
            The result, `failed` with the end of the log if the process left none; None if the
            search was ended meanwhile.
        """
        folder = Path(job.folder)
        write_json(folder / "job.json", job)
        log = folder / "log.txt"
        process = self._start(job, log)
        if process is None:
            return None
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        if process.stdin is not None:
            process.stdin.close()
        result = read_result(folder)
        if result is None and self.ended:
            return None
        said = Process(folder.name, process, log).last_lines()
        return result or TrialResult(state="failed", message=f"exit code {code}:\n{said}")

    def _start(self, job: TrialJob, log: Path) -> subprocess.Popen[bytes] | None:
        command = [sys.executable, "-m", _TRIAL_MODULE, str(log.with_name("job.json")), TIED]
        environ = os.environ | {"OMP_NUM_THREADS": str(job.threads)}
        with self._lock, log.open("wb") as out:
            if self.ended:
                return None
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=environ,
                # Ctrl-C is for the search, which ends its trials itself.
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def end(self) -> None:
        """Ends all that run; they leave nothing that counts."""
        with self._lock:
            self.ended = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
