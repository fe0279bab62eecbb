"""SIGTERM, as schedulers send it to what has to make room. Imports no TensorFlow."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Preemption:
    """Whether this process was asked to end.

    Attributes:
        is_asked: whether SIGTERM came.
    """

    def __init__(self) -> None:
        self.is_asked = False

    def ask(self, number: int = 0, frame: FrameType | None = None) -> None:
        """What SIGTERM does; the arguments are those of any handler of a signal."""
        self.is_asked = True


@contextmanager
def heeding_sigterm() -> Iterator[Preemption]:
    """Inside, SIGTERM does not end the process, but is noted for it to end in good order.

    Only the main thread of a process can have it so; in others SIGTERM stays what it was.
    """
    preemption = Preemption()
    if threading.current_thread() is not threading.main_thread():
        yield preemption
        return
    before = signal.signal(signal.SIGTERM, preemption.ask)
    try:
        yield preemption
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
