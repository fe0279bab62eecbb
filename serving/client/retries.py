"""Retries without I/O: who may be asked again, after how long, and within what budget."""

import random
import threading
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from serving.client.errors import ClientError, RequestTimeoutError
from serving.client.operations import Operation
from serving.client.options import Retry
from serving.client.steps import Clock, Send, Sleep, Steps

T = TypeVar("T")
_SAVED_RETRIES = 10.0
_MAX_DOUBLINGS = 60  # more would overflow a float, after the last of thousands of attempts


class RetryBudget:
    """A bucket of retries: calls fill it by a share each, time fills it, retries take from it.

    Args:
        retry: its `budget` and `floor`.
        now: the clock.

    Example:
        >>> budget = RetryBudget(Retry(budget=0.5, floor=0), now=lambda: 0.0)
        >>> [budget.take() for _ in range(11)].count(True)
        10
        >>> budget.add_call(), budget.add_call(), budget.take(), budget.take()
        (None, None, True, False)
    """

    def __init__(self, retry: Retry, now: Callable[[], float]) -> None:
        self._retry = retry
        self._now = now
        self._lock = threading.Lock()
        self._saved = _SAVED_RETRIES
        self._updated = now()

    def add_call(self) -> None:
        """A call begins."""
        with self._lock:
            self._fill(self._retry.budget)

    def take(self) -> bool:
        """Whether a retry is allowed; it is counted."""
        with self._lock:
            now = self._now()
            self._fill(self._retry.floor * (now - self._updated))
            self._updated = now
            if self._saved < 1:
                return False
            self._saved -= 1
            return True

    def _fill(self, retries: float) -> None:
        self._saved = min(_SAVED_RETRIES, self._saved + retries)


class Deadline:
    """When a whole call must be over.

    Args:
        clock: that it goes by.
        seconds: from now; None for never.
    """

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock.now() + seconds

    def remaining(self) -> float | None:
        """Seconds until then; None for ever."""
        return None if self._end is None else self._end - self._clock.now()


class Retries:
    """Asks again what failed for a moment.

    Args:
        retry: how often and how soon.
        clock: that waits go by.
        url: of the server, for error messages.
    """

    def __init__(self, retry: Retry, clock: Clock, url: str) -> None:
        self._retry = retry
        self._clock = clock
        self._url = url
        self._budget = RetryBudget(retry, clock.now)

    def send(self, operation: Operation[T], deadline: Deadline) -> Steps[T]:
        """Asks until there is an answer, or no retry that could help.

        Raises:
            ClientError: of the last attempt.
        """
        self._budget.add_call()
        for attempt in count(1):
            remaining = deadline.remaining()
            if remaining is not None and remaining <= 0:
                raise RequestTimeoutError("the call's time is over", self._url)
            try:
                answer: T = yield Send(operation, remaining)
            except ClientError as error:
                wait = self._wait(error, attempt)
                if not self._may_retry(error, attempt, wait, deadline):
                    raise
            else:
                return answer
            yield Sleep(wait)
        raise AssertionError("attempts have no end")

    def _may_retry(self, error: ClientError, attempt: int, wait: float, deadline: Deadline) -> bool:
        if not error.is_transient or attempt >= self._retry.attempts:
            return False
        remaining = deadline.remaining()
        if remaining is not None and wait >= remaining:
            return False
        return self._budget.take()

    def _wait(self, error: ClientError, attempt: int) -> float:
        doublings = min(attempt - 1, _MAX_DOUBLINGS)
        longest = min(self._retry.max_backoff, self._retry.backoff * 2.0**doublings)
        wait = longest * (1 - self._retry.jitter * random.random())
        return max(wait, error.retry_after or 0.0)
