"""Conversations without I/O: generators that say what to do next, and who does it.

A conversation yields `Send` and gets the answer, or the error thrown in; it yields `Sleep`
and is woken. So its logic is written once, for threads and for event loops.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from serving.client.errors import ClientError
from serving.client.operations import Operation
from serving.client.transport import AsyncTransport, Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Ask the server.

    Attributes:
        operation: what to ask.
        timeout: seconds that the answer may take; None for ever.
    """

    operation: Operation[Any]
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait.

    Attributes:
        seconds: how long.
    """

    seconds: float


Steps = Generator[Send | Sleep, Any, T]


class Clock:
    """The time that retries and deadlines go by."""

    def now(self) -> float:
        """Seconds since some moment; never falls."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits in a thread."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Waits in an event loop."""
        import asyncio

        await asyncio.sleep(seconds)


def run(steps: Steps[T], transport: Transport, clock: Clock) -> T:
    """Holds a conversation in this thread.

    Raises:
        ClientError: that the conversation does not handle.
    """
    resume = partial(steps.send, None)
    try:
        while True:
            match resume():
                case Sleep(seconds):
                    clock.sleep(seconds)
                    resume = partial(steps.send, None)
                case Send(operation, timeout):
                    try:
                        resume = partial(steps.send, transport.send(operation, timeout))
                    except ClientError as error:
                        resume = partial(steps.throw, error)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(steps: Steps[T], transport: AsyncTransport, clock: Clock) -> T:
    """Holds a conversation in an event loop.

    Raises:
        ClientError: that the conversation does not handle.
    """
    resume = partial(steps.send, None)
    try:
        while True:
            match resume():
                case Sleep(seconds):
                    await clock.asleep(seconds)
                    resume = partial(steps.send, None)
                case Send(operation, timeout):
                    try:
                        resume = partial(steps.send, await transport.asend(operation, timeout))
                    except ClientError as error:
                        resume = partial(steps.throw, error)
    except StopIteration as end:
        result: T = end.value
        return result
