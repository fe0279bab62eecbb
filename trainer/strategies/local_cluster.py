"""A cluster of processes on this machine, which begins and ends with a training.

Imports no TensorFlow: it has to start where another process has the devices.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer.preemption import Preemption, heeding_sigterm
from trainer.strategies.cluster import VARIABLE
from trainer.strategies.options import ClusterSection, ParameterServerOptions
from transforms.errors import ClusterError, DivergedError, GaterankError, PreemptedError
from transforms.folders import make_folder

ERROR = "error: "
_HOST = "127.0.0.1"
_POLL_SECONDS = 0.2
_CAUSE_SECONDS = 5.0
_SHOWN_LINES = 20
_TAIL_BYTES = 20_000


# With these all members end, between the same two steps.
_AGREED = {kind.exit_code: kind for kind in (PreemptedError, DivergedError)}


@dataclass(frozen=True)
class Process:
    """A process of the cluster.

    Attributes:
        name: its job and number, `worker 0`.
        process: what runs.
        log: the file of all that it says.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_lines(self) -> str:
        """The end of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_SHOWN_LINES:])

    def error(self) -> str:
        """The message that it ended with."""
        return self.last_lines().rpartition(ERROR)[2].partition("\n")[0]


def run_local_cluster(command: Sequence[str], options: ClusterSection, log_dir: Path) -> None:
    """Starts a process for each member, and waits until the training is done.

    Args:
        command: what each member runs; TF_CONFIG tells it which it is. Its standard input stays
            open as long as this process lives, and brings nothing.
        options: how many processes of which kind.
        log_dir: gets the log of each process.

    Raises:
        ClusterError: if a process fails; all others have been ended then.
        PreemptedError: if SIGTERM came to this process, which passes it on, or to one of them.
        DivergedError: if the loss is not finite.
    """
    make_folder(log_dir)
    with ExitStack() as stack:
        preemption = stack.enter_context(heeding_sigterm())
        members = [
            stack.enter_context(_running(name, command, config, log_dir))
            for name, config in _describe(options)
        ]
        _wait(members, preemption)


def _describe(options: ClusterSection) -> Iterator[tuple[str, str]]:
    """Each member's name and TF_CONFIG."""
    sizes = {"worker": options.workers or 1}
    if isinstance(options, ParameterServerOptions):
        sizes = {"chief": 1} | sizes | {"ps": options.parameter_servers}
    ports = _find_ports(sum(sizes.values()))
    cluster = {job: [f"{_HOST}:{next(ports)}" for _ in range(size)] for job, size in sizes.items()}
    for job, addresses in cluster.items():
        for index in range(len(addresses)):
            task = {"type": job, "index": index}
            yield f"{job} {index}", json.dumps({"cluster": cluster, "task": task})


def _find_ports(count: int) -> Iterator[int]:
    """Ports that are free now; all are held until the last is known, so they differ."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((_HOST, 0))
        ports = [probe.getsockname()[1] for probe in probes]
    return iter(ports)


@contextmanager
def _running(name: str, command: Sequence[str], config: str, log_dir: Path) -> Iterator[Process]:
    """A member; it is ended at the end of the block, if it has not ended by itself."""
    log = log_dir / f"{name.replace(' ', '-')}.log"
    environ: Mapping[str, str] = os.environ | {VARIABLE: config}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=environ
        )
    try:
        yield Process(name, process, log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Not by SIGTERM: what it would save, it could not save without the others.
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _wait(members: list[Process], preemption: Preemption) -> None:
    """Returns once the chief is done, and all others that do not only serve."""
    awaited = [m for m in members if m.name.startswith("chief")] or members
    is_passed_on = False
    while not any(m.process.poll() for m in members):
        if all(m.process.returncode == 0 for m in awaited):
            return
        if preemption.is_asked and not is_passed_on:
            is_passed_on = True
            for member in awaited:
                member.process.terminate()
        time.sleep(_POLL_SECONDS)
    raise _make_error(_find_cause(members), is_passed_on)


def _find_cause(members: list[Process]) -> Process:
    """The member that failed; one that only lost another may have ended before that one."""
    deadline = time.monotonic() + _CAUSE_SECONDS
    while True:
        failed = [m for m in members if m.process.poll()]
        causes = [m for m in failed if m.process.returncode != ClusterError.exit_code]
        if causes or time.monotonic() > deadline:
            agreed = [m for m in causes if m.process.returncode in _AGREED]
            return (agreed or causes or failed)[0]
        time.sleep(_POLL_SECONDS)


def _make_error(one: Process, is_preempted: bool) -> GaterankError:
    code = one.process.returncode
    if code in _AGREED:
        return _AGREED[code](one.error())
    if is_preempted and code == -signal.SIGTERM:
        return PreemptedError("training: SIGTERM came before the first step")
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return ClusterError(f"{one.name} ended {how}; its log is {one.log}:\n{one.last_lines()}")
