"""The threads in which requests compute, and a bound on how many may wait for one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from serving.server.status import Code, ServingError

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A thread pool with a bounded queue.

    Args:
        threads: how many calls run at once.
        max_waiting: further calls that may wait.
    """

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="serving")
        self._limit = threads + max_waiting
        self._calls = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a call in a thread.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if too many calls wait already.
        """
        if self._calls >= self._limit:
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"Too many requests are waiting: at most {self._limit} are taken at once.",
            )
        loop = asyncio.get_running_loop()
        self._calls += 1
        try:
            return await loop.run_in_executor(self._executor, lambda: call(*args, **kwargs))
        finally:
            self._calls -= 1

    def stop(self) -> None:
        """Waits for the running calls; those that still wait are dropped."""
        self._executor.shutdown(cancel_futures=True)
