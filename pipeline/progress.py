"""What a person sees of a run: a line a component; all else goes to a log file."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Say = Callable[[str], None]


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
        warning = "warning: " if record.levelno >= logging.WARNING else ""
        self.say(f"      {warning}{record.getMessage()}")


@contextmanager
def lines_said(say: Say) -> Iterator[None]:
    """Shows the lines of gaterank's own loggers.

    Args:
        say: prints a line.
    """
    logger, handler = logging.getLogger("gaterank"), NestedLines(say)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def logged_to(path: Path) -> Iterator[Say]:
    """Sends all logs and the libraries' standard error to a file; yields the way to a person.

    C++ libraries write to file descriptor 2 directly, so the descriptor itself is turned
    away, and given back at the end. An error goes into the file with its traceback.

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

        def say(line: str) -> None:
            os.write(person, f"{line}\n".encode())

        yield say
    except Exception:
        root.exception("the run ends early")
        raise
    finally:
        root.handlers, root.level = before
        # The disk of the log file may be full.
        with suppress(OSError):
            sys.stderr.flush()
        os.dup2(person, 2)
        os.close(person)
        with suppress(OSError):
            handler.close()
