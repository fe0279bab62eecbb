"""The threads of requests: bounded, and quick to end."""

import asyncio
import threading

import pytest

from serving.server.status import Code, ServingError
from serving.server.workers import Workers


def test_more_calls_than_may_wait_are_refused() -> None:
    async def call() -> None:
        workers, gate = Workers(1, 1), threading.Event()
        calls = [asyncio.create_task(workers.run(gate.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ServingError) as raised:
            await workers.run(gate.wait, 10)
        assert raised.value.code == Code.RESOURCE_EXHAUSTED
        gate.set()
        assert await asyncio.gather(*calls) == [True, True]
        workers.stop()

    asyncio.run(call())


def test_a_running_call_is_finished_at_the_end_and_one_that_waits_is_dropped() -> None:
    async def call() -> None:
        workers, gate, ran = Workers(1, 1), threading.Event(), list[str]()
        running = asyncio.create_task(workers.run(lambda: gate.wait(10) and ran.append("first")))
        waiting = asyncio.create_task(workers.run(lambda: ran.append("second")))
        await asyncio.sleep(0.05)
        stop = asyncio.get_running_loop().run_in_executor(None, workers.stop)
        await asyncio.sleep(0.05)
        gate.set()
        await stop
        await running
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ran == ["first"]

    asyncio.run(call())
