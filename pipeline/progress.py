"""What a person sees of a run: a line a component; all else goes to a log file."""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]

_RUNNING = re.compile(r"Component (\S+) is running\.")
_FINISHED = re.compile(r"Component (\S+) is finished\.")
_CACHED = re.compile(r"A cached execution \d+ is used\.")


class ComponentProgress(logging.Handler):
    """Turns the orchestrator's log into one line a component.

    Args:
        total: number of components.
        say: prints a line.
    """

    def __init__(self, total: int, say: Say) -> None:
        super().__init__(logging.INFO)
        self.total = total
        self.say = say
        self.count = 0
        self._started = 0.0
        self._cached = False

    def emit(self, record: logging.LogRecord) -> None:
        """Reads one log message."""
        message = record.getMessage()
        if match := _RUNNING.fullmatch(message):
            self.count += 1
            self._started, self._cached = time.monotonic(), False
            self.say(f"[{self.count}/{self.total}] {match[1]} ...")
        elif _CACHED.fullmatch(message):
            self._cached = True
        elif match := _FINISHED.fullmatch(message):
            took = "unchanged" if self._cached else f"{time.monotonic() - self._started:.1f} s"
            self.say(f"[{self.count}/{self.total}] {match[1]}: {took}")


class NestedLines(logging.Handler):
    """Shows the lines of gaterank's own loggers, such as one an epoch, under a component.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Say) -> None:
        super().__init__(logging.INFO)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the message."""
        self.say(f"      {record.getMessage()}")


@contextmanager
def logged_to(path: Path) -> Iterator[Say]:
    """Sends all logs and the libraries' standard error to a file; yields the way to a person.

    C++ libraries write to file descriptor 2 directly, so the descriptor itself is turned
    away, and given back at the end.

    Args:
        path: of the log file.
    """
    sys.stderr.flush()
    person = os.dup(2)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        root.handlers, root.level = [handler], logging.INFO
        yield lambda line: os.write(person, f"{line}\n".encode()) and None
    finally:
        root.handlers, root.level = before
        handler.close()
        sys.stderr.flush()
        os.dup2(person, 2)
        os.close(person)
