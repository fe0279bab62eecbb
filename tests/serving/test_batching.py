"""Requests computed together get the answers that they would get alone; no TensorFlow here."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from serving.server.batching.metrics import BatchingMetrics
from serving.server.batching.model import BatchingModel
from serving.server.batching.parameters import BatchingParameters
from serving.server.batching.scheduler import BatchScheduler
from serving.server.signatures import Array, Signature, TensorSpec
from serving.server.status import Code, ServingError, invalid_argument

LONG = 60 * 10**6
ROWS = (-1,)


class Doubler:
    """Doubles `x:0`, refuses negative numbers, and remembers how it was asked."""

    name, version, signature_bytes = "m", 1, b""
    signatures: Mapping[str, Signature] = {
        "double": Signature(
            {"x": TensorSpec("x:0", "int64", None), "y": TensorSpec("y:0", "string", ROWS)},
            {
                "twice": TensorSpec("twice:0", "int64", None),
                "sum": TensorSpec("sum:0", "int64", None),
                "one": TensorSpec("one:0", "int64", ()),
            },
        ),
        "rank": Signature(
            {"user": TensorSpec("user:0", "int64", (1,)), "x": TensorSpec("x:0", "int64", ROWS)},
            {"twice": TensorSpec("twice:0", "int64", ROWS)},
        ),
    }

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        x = feeds["x:0"]
        self.asked.append(list(x.shape))
        self.gate.wait(10)
        if (x < 0).any():
            raise invalid_argument(f"negative: {x[x < 0].tolist()}")
        found = {"twice:0": 2 * x, "sum:0": x.sum(), "one:0": np.array(1)}
        return [found[name] for name in fetches]

    def close(self) -> None:
        """Nothing is freed."""


Serve = Callable[..., BatchingModel]


@pytest.fixture
def model() -> Doubler:
    return Doubler()


@pytest.fixture
def collectors() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def serve(model: Doubler, collectors: CollectorRegistry) -> Iterator[Serve]:
    schedulers: list[BatchScheduler] = []

    def make(**parameters: Any) -> BatchingModel:
        given = {"max_batch_size": 4, "batch_timeout_micros": LONG, "num_batch_threads": 2}
        scheduler = BatchScheduler(
            BatchingParameters(**{**given, **parameters}), BatchingMetrics(collectors)
        )
        schedulers.append(scheduler)
        return BatchingModel(model, scheduler)

    yield make
    for scheduler in schedulers:
        scheduler.stop()


def ask(batching: BatchingModel, *requests: Any, fetch: str = "twice:0") -> list[Any]:
    """Sends requests at once; the answers, or errors, in their order."""

    def one(request: Any) -> Any:
        try:
            (answer,) = batching.run({"x:0": np.array(request)}, [fetch])
        except ServingError as error:
            return str(error)
        return answer.tolist()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(one, requests))


def test_requests_are_joined_and_each_gets_its_rows(serve: Serve, model: Doubler) -> None:
    assert ask(serve(), [1], [2, 3], [4]) == [[2], [4, 6], [8]]
    assert model.asked == [[4]]


def test_one_request_waits_no_longer_than_the_timeout(serve: Serve) -> None:
    batching = serve(batch_timeout_micros=50_000)
    start = time.perf_counter()
    assert ask(batching, [1]) == [[2]]
    assert 0.05 <= time.perf_counter() - start < 1.0


def test_requests_that_come_while_no_thread_is_free_are_joined(
    serve: Serve, model: Doubler
) -> None:
    batching = serve(batch_timeout_micros=0, num_batch_threads=1, max_batch_size=100)
    model.gate.clear()
    with ThreadPoolExecutor(9) as pool:
        answers = [pool.submit(ask, batching, [0])]
        wait_for(lambda: model.asked == [[1]])
        answers += [pool.submit(ask, batching, [number]) for number in range(1, 9)]
        time.sleep(0.1)
        model.gate.set()
        assert [future.result() for future in answers] == [[[2 * n]] for n in range(9)]
    assert model.asked == [[1], [8]]


def test_the_error_of_one_request_is_no_others(serve: Serve) -> None:
    assert ask(serve(), [1], [-2], [3], [-4]) == [
        [2],
        "INVALID_ARGUMENT: negative: [-2]",
        [6],
        "INVALID_ARGUMENT: negative: [-4]",
    ]


@pytest.mark.parametrize("fetch", ["sum:0", "one:0"])
def test_an_output_without_rows_is_computed_for_each_alone(serve: Serve, fetch: str) -> None:
    expected = [10, 20, 30, 40] if fetch == "sum:0" else [1] * 4
    assert ask(serve(batch_timeout_micros=0), [10], [20], [30], [40], fetch=fetch) == expected


@pytest.mark.parametrize(
    "feeds",
    [
        {"x:0": np.arange(3), "user:0": np.arange(1)},
        {"x:0": np.arange(1), "user:0": np.arange(1)},
        {"x:0": np.arange(0)},
        {"x:0": np.array(3)},
        {"x:0": np.arange(100).reshape(10, 10).sum(0), "other:0": np.arange(10)},
    ],
    ids=["candidates of a user", "one candidate", "no rows", "no axis", "unknown tensor"],
)
def test_what_has_no_rows_to_join_runs_alone_and_at_once(
    serve: Serve, model: Doubler, collectors: CollectorRegistry, feeds: dict[str, Array]
) -> None:
    (answer,) = serve(batch_timeout_micros=0).run(feeds, ["twice:0"])
    assert np.array_equal(answer, 2 * feeds["x:0"])
    assert model.asked == [list(feeds["x:0"].shape)]
    assert count_batches(collectors) == 0


def test_an_output_whose_first_size_is_fixed_is_computed_alone(
    serve: Serve, collectors: CollectorRegistry
) -> None:
    batching = serve(batch_timeout_micros=0)
    assert ask(batching, [1, 2], fetch="one:0") == [1]
    assert count_batches(collectors) == 0
    assert ask(batching, [1, 2]) == [[2, 4]]
    assert count_batches(collectors) == 1


def count_batches(collectors: CollectorRegistry) -> float | None:
    return collectors.get_sample_value(
        ":tensorflow:serving:batching_session:wrapped_run_count_total"
    )


def test_values_of_other_types_are_not_joined(serve: Serve, model: Doubler) -> None:
    assert ask(serve(batch_timeout_micros=20_000), [1], [1.5]) == [[2], [3.0]]
    assert model.asked == [[1], [1]]


def test_rows_of_other_sizes_are_not_joined(serve: Serve, model: Doubler) -> None:
    batching = serve(batch_timeout_micros=20_000)
    assert ask(batching, [[1, 2]], [[3]]) == [[[2, 4]], [[6]]]
    assert sorted(model.asked) == [[1, 1], [1, 2]]


def test_rows_of_other_sizes_are_filled_up_if_asked_for(serve: Serve, model: Doubler) -> None:
    batching = serve(pad_variable_length_inputs=True, max_batch_size=2)
    assert ask(batching, [[1, 2]], [[3]]) == [[[2, 4]], [[6, 6]]]
    assert model.asked == [[2, 2]]


def test_a_row_of_nothing_has_nothing_to_be_filled_up_with(serve: Serve) -> None:
    batching = serve(pad_variable_length_inputs=True, max_batch_size=2)
    assert ask(batching, [[1, 2]], np.zeros((1, 0), int)) == [[[2, 4]], [[]]]


def test_a_batch_is_filled_up_to_an_allowed_size(serve: Serve, model: Doubler) -> None:
    batching = serve(allowed_batch_sizes=(1, 4), batch_timeout_micros=20_000)
    assert ask(batching, [1], [2, 3]) == [[2], [4, 6]]
    assert model.asked == [[4]]


def test_a_large_request_is_split_and_put_together(serve: Serve, model: Doubler) -> None:
    batching = serve(
        max_batch_size=10, enable_large_batch_splitting=True, max_execution_batch_size=4
    )
    answers = batching.run({"x:0": np.arange(8)}, ["twice:0", "twice:0"])
    assert [answer.tolist() for answer in answers] == [list(range(0, 16, 2))] * 2
    assert model.asked == [[4], [4]]
    with pytest.raises(ServingError) as raised:
        batching.run({"x:0": np.arange(8)}, ["sum:0"])
    assert (raised.value.code, raised.value.message) == (
        Code.FAILED_PRECONDITION,
        "Batched output tensor has 0 dimensions",
    )


def test_a_bug_reaches_every_request(serve: Serve, model: Doubler) -> None:
    batching = serve()
    model.run = None  # type: ignore[assignment]
    with pytest.raises(TypeError, match="not callable"):
        ask(batching, [1, 2, 3, 4])


def test_what_waits_is_computed_before_the_threads_end(model: Doubler) -> None:
    scheduler = BatchScheduler(BatchingParameters(4, LONG), BatchingMetrics(CollectorRegistry()))
    batching = BatchingModel(model, scheduler)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, batching, [1])
        wait_for(lambda: bool(scheduler._queues))
        scheduler.stop()
        assert answer.result() == [[2]]
    assert ask(batching, [3]) == [[6]]


def test_the_batches_of_a_large_request_are_computed_side_by_side(
    serve: Serve, model: Doubler
) -> None:
    batching = serve(
        max_batch_size=10, enable_large_batch_splitting=True, max_execution_batch_size=4
    )
    model.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, batching, range(8))
        wait_for(lambda: model.asked == [[4], [4]])
        model.gate.set()
        assert answer.result() == [list(range(0, 16, 2))]


def test_a_thousand_requests_of_many_threads_get_their_own_answers(serve: Serve) -> None:
    batching = serve(max_batch_size=16, batch_timeout_micros=500, num_batch_threads=3)
    requests = [
        [-1 if number % 97 == 0 else number] * (number % 5 + 1) for number in range(1, 1001)
    ]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda request: ask(batching, request)[0], requests))
    for request, answer in zip(requests, answers, strict=True):
        if request[0] < 0:
            assert answer == f"INVALID_ARGUMENT: negative: {request}"
        else:
            assert answer == [2 * number for number in request]


def test_metrics_have_tensorflow_servings_names(
    serve: Serve, collectors: CollectorRegistry
) -> None:
    ask(serve(allowed_batch_sizes=(1, 4), batch_timeout_micros=20_000), [1], [2, 3])
    text = generate_latest(collectors).decode()
    prefix = ":tensorflow:serving:batching_session:"
    for line in (
        "wrapped_run_count_total 1.0",
        "input_batch_size_sum 3.0",
        "input_batch_size_count 2.0",
        "processed_batch_size_sum 4.0",
        'padding_size_sum{execution_batch_size="4"} 1.0',
        'queuing_latency_count{thread_pool_name=""} 2.0',
    ):
        assert prefix + line in text


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
