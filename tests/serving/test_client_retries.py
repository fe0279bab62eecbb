"""Retries, their budget and the deadline, against a flaky fake and without waiting."""

import asyncio
from typing import Any

import pytest

from serving.client import (
    AsyncRanker,
    ClientError,
    ConnectError,
    ConnectionLostError,
    Ranker,
    RequestTimeoutError,
    ResponseError,
    Retry,
    StatusError,
    Timeout,
)
from serving.client.testing import FakeClock, FakeTransport

URL = "http://fake:8501"
STEADY = Retry(attempts=4, backoff=0.1, max_backoff=0.3, jitter=0)


def refusal(code: str, status: int = 503, retry_after: float | None = None) -> StatusError:
    return StatusError("no", URL, code, status, retry_after)


def flaky(*failures: Exception) -> FakeTransport:
    return FakeTransport({"score": [1.0]}, failures=failures)


def rank(model: FakeTransport, clock: FakeClock, **options: Any) -> Any:
    with Ranker(URL, transport=model, clock=clock, **{"retry": STEADY, **options}) as ranker:
        return ranker.rank({}, [{"item_id": "a"}])


@pytest.mark.parametrize(
    "failure",
    [
        ConnectError("refused", URL),
        ConnectionLostError("reset", URL),
        refusal("UNAVAILABLE"),
        refusal("RESOURCE_EXHAUSTED", 429),
    ],
)
def test_what_may_well_succeed_a_moment_later_is_tried_again(failure: ClientError) -> None:
    model, clock = flaky(failure, failure, failure), FakeClock()
    assert rank(model, clock)[0].item_id == "a"
    assert len(model.predictions) == 4
    assert clock.slept == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "failure",
    [
        RequestTimeoutError("slow", URL),
        ResponseError("strange", URL),
        refusal("INTERNAL", 500),
        refusal("NOT_FOUND", 404),
    ],
)
def test_what_would_fail_again_or_double_the_load_is_not(failure: ClientError) -> None:
    model, clock = flaky(failure), FakeClock()
    with pytest.raises(type(failure)):
        rank(model, clock)
    assert (len(model.predictions), clock.slept) == (1, [])


def test_after_the_last_attempt_its_error_is_raised() -> None:
    model = flaky(*(refusal("UNAVAILABLE", 500 + n) for n in range(9)))
    with pytest.raises(StatusError) as raised:
        rank(model, FakeClock())
    assert (len(model.predictions), raised.value.status_code) == (4, 503)


def test_an_event_loop_tries_again_as_threads_do() -> None:
    model, clock = flaky(refusal("UNAVAILABLE"), refusal("UNAVAILABLE")), FakeClock()

    async def ask() -> Any:
        async with AsyncRanker(URL, transport=model, clock=clock, retry=STEADY) as ranker:
            return await ranker.rank({}, [{"item_id": "a"}])

    assert asyncio.run(ask()).item_ids == ("a",)
    assert clock.slept == pytest.approx([0.1, 0.2])


def test_jitter_draws_from_the_whole_wait() -> None:
    waits = []
    for _ in range(100):
        clock = FakeClock()
        rank(flaky(refusal("UNAVAILABLE")), clock, retry=Retry(backoff=0.1))
        waits += clock.slept
    assert 0 <= min(waits) < 0.03 < 0.07 < max(waits) <= 0.1


def test_the_server_is_left_alone_for_as_long_as_it_says() -> None:
    model, clock = flaky(refusal("UNAVAILABLE", retry_after=7.0)), FakeClock()
    rank(model, clock)
    assert clock.slept == [7.0]


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    model, clock = flaky(refusal("UNAVAILABLE", retry_after=7.0)), FakeClock()
    with pytest.raises(StatusError):
        rank(model, clock, timeout=Timeout(total=5))
    assert clock.slept == []


def test_all_attempts_share_one_deadline() -> None:
    clock = FakeClock()
    timeouts = []

    class Slow(FakeTransport):
        def send(self, operation: Any, timeout: float | None) -> Any:
            timeouts.append(timeout)
            clock.advance(0.4)
            return super().send(operation, timeout)

    model = Slow({"score": [1.0]}, failures=[refusal("UNAVAILABLE")] * 9)
    with pytest.raises(StatusError):
        rank(model, clock, timeout=Timeout(total=1.0))
    # Metadata, then predictions with a wait of 0.1 s between them; 0.2 s more are too many.
    assert timeouts == pytest.approx([1.0, 0.6, 0.1])


def test_a_call_whose_time_is_over_is_not_sent() -> None:
    clock = FakeClock()

    class Slow(FakeTransport):
        def send(self, operation: Any, timeout: float | None) -> Any:
            clock.advance(2.0)
            return super().send(operation, timeout)

    model = Slow({"score": [1.0]})
    with pytest.raises(RequestTimeoutError, match="the call's time is over"):
        rank(model, clock, timeout=Timeout(total=1.0))
    assert model.predictions == []


def count_attempts(ranker: Ranker, model: FakeTransport, calls: int) -> int:
    before = len(model.predictions)
    for _ in range(calls):
        with pytest.raises(StatusError):
            ranker.rank({}, [{"item_id": "a"}])
    return len(model.predictions) - before


def test_a_server_that_is_down_gets_few_requests_more_than_without_retries() -> None:
    clock = FakeClock()
    model = flaky(*(refusal("UNAVAILABLE") for _ in range(10_000)))
    retry = Retry(attempts=3, backoff=0, budget=0.1, floor=0)
    with Ranker(URL, transport=model, clock=clock, retry=retry) as ranker:
        assert count_attempts(ranker, model, 1000) == pytest.approx(1110, abs=2)
        assert count_attempts(ranker, model, 1000) == pytest.approx(1100, abs=2)
        clock.advance(3600)
        assert count_attempts(ranker, model, 5) <= 6


def test_time_alone_allows_some_retries_where_calls_are_few() -> None:
    clock = FakeClock()
    model = flaky(*(refusal("UNAVAILABLE") for _ in range(1000)))
    retry = Retry(attempts=2, backoff=0, budget=0, floor=1.0)
    with Ranker(URL, transport=model, clock=clock, retry=retry) as ranker:
        assert count_attempts(ranker, model, 20) == 30  # ten were saved at the start
        clock.advance(3.0)
        assert count_attempts(ranker, model, 20) == 23
        clock.advance(3600.0)
        assert count_attempts(ranker, model, 20) == 30  # never more than ten are saved


def test_a_budget_of_nothing_retries_nothing_once_what_was_saved_is_used() -> None:
    model = flaky(*(refusal("UNAVAILABLE") for _ in range(1000)))
    retry = Retry(attempts=9, backoff=0, budget=0, floor=0)
    with Ranker(URL, transport=model, clock=FakeClock(), retry=retry) as ranker:
        count_attempts(ranker, model, 2)
        assert count_attempts(ranker, model, 10) == 10


def test_a_fake_model_answers_everything_that_can_be_asked() -> None:
    model = FakeTransport(
        lambda inputs: {"score": inputs["price"] + inputs["age"], "click": inputs["price"]},
        user={"age": float, "interests": list},
        item={"price": float, "brand": str},
        outputs=("score", "click"),
    )
    with Ranker("grpc://fake:1", transport=model) as ranker:
        candidates = [{"item_id": 1, "price": 2}, {"item_id": 2, "price": 3, "brand": "x"}]
        ranked = ranker.rank({"age": 30, "interests": ["a"]}, candidates)
        assert ranker.rank({}, []).predictions.keys() == {"click"}
        assert ranker.status()[0].state == "AVAILABLE"
        assert ranker.metadata().version == 1
        assert ranker.predict({"price": [1], "age": [2]}, "rank")["score"].tolist() == [3.0]
    assert (ranked.item_ids, ranked.scores.tolist()) == ((2, 1), [33.0, 32.0])
    asked = model.predictions[0].inputs
    assert (asked["interests"].tolist(), asked["brand"].tolist()) == ([["a"]], ["", "x"])
