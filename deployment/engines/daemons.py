"""Programs in the background: started until they are ready, found again, stopped for certain."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from transforms.errors import GaterankError

_MARK = "GATERANK_ENGINE"
_SESSIONS = "sessions"
_GRACE_SECONDS = 10.0
_READY_SECONDS = 180.0
_POLL_SECONDS = 0.1


class Daemons:
    """The daemons of one folder, which gets `<name>.pid` and `<name>.log` of each.

    Each inherits a mark with the folder's name, and so does whatever it starts itself:
    nothing that lacks the mark is ever stopped, nothing that has it is left. A program that
    writes its title over its environment is known by its session, which it began in the folder.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(
        self, name: str, command: list[str], variables: Mapping[str, str], ready: str
    ) -> re.Match[str]:
        """Starts a program and waits until its log says that it is ready.

        Args:
            name: of the program.
            command: its words.
            variables: environment variables, besides those of this process.
            ready: a regular expression.

        Returns:
            Where `ready` was found.

        Raises:
            GaterankError: if the program ends, or is not ready in time.
        """
        log = self.folder / f"{name}.log"
        environment = {**os.environ, **variables, _MARK: str(self.folder)}
        with log.open("wb") as out:
            program = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self.folder / f"{name}.pid").write_text(str(program.pid))
        with (self.folder / _SESSIONS).open("a") as sessions:
            sessions.write(f"{program.pid}\n")
        found: list[re.Match[str]] = []

        def is_ready() -> bool:
            found.extend(re.finditer(ready, log.read_text(errors="replace")))
            return bool(found) or program.poll() is not None

        wait_until(is_ready, _READY_SECONDS)
        if not found:
            raise GaterankError(f"{name}: did not get ready; see {log}")
        return found[0]

    def pid(self, name: str) -> int:
        """The process of a daemon."""
        return int((self.folder / f"{name}.pid").read_text())

    def processes(self) -> dict[int, str]:
        """Process -> command line, of the daemons and of whatever they started."""
        mark = f"{_MARK}={self.folder}".encode()
        # Also of daemons that were killed: what they started may live on.
        began = self.folder / _SESSIONS
        sessions = set(began.read_text().split()) if began.exists() else set()
        found = {}
        for entry in Path("/proc").iterdir():
            # A process may end, or be another user's, while it is looked at.
            with suppress(OSError):
                if not entry.name.isdecimal():
                    continue
                marks = (entry / "environ").read_bytes().split(b"\0")
                if mark in marks or self._is_of(entry, sessions):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = line.decode(errors="replace")
        return found

    def _is_of(self, process: Path, sessions: set[str]) -> bool:
        """Whether a process is in one of some sessions, and where they were begun."""
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        return fields[3] in sessions and (process / "cwd").readlink() == self.folder

    def cpu_seconds(self) -> float:
        """What the daemons have used so far, with whatever they started that has ended."""
        ticks = 0
        for process in self.processes():
            with suppress(OSError):
                stat = Path(f"/proc/{process}/stat").read_text()
                # After the name, which may hold anything, fields 14 to 17: user and system
                # time of the process, and of its children that have ended.
                ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Stops everything that has the mark.

        Raises:
            GaterankError: if something could not be stopped.
        """
        for kill in (signal.SIGTERM, signal.SIGKILL):
            for process in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(process, kill)
            if wait_until(lambda: not self.processes(), _GRACE_SECONDS):
                return
        raise GaterankError(f"{self.folder}: could not be stopped: {self.processes()}")


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Waits, at most so long, until something holds; says whether it does."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_SECONDS)
    return True
