"""Which requests wait for which batch, at times that the tests choose."""

import math
from pathlib import Path

import numpy as np
import pytest

from serving.server.batching.parameters import BatchingParameters
from serving.server.batching.queues import Part, Queues
from serving.server.settings.batching import read_batching_file
from serving.server.signatures import Array
from serving.server.status import Code, ServingError
from transforms.errors import ConfigError

WAIT = 0.5


def queues(**parameters: int | bool) -> Queues:
    given = {"max_batch_size": 4, "batch_timeout_micros": WAIT * 1e6, **parameters}
    return Queues(BatchingParameters(**given))  # type: ignore[arg-type]


def add(queues: Queues, size: int, now: float = 0.0, kind: str = "k") -> list[Part]:
    return queues.add(kind, never_run, {"x": np.arange(size)}, size, now)


def never_run(feeds: object) -> list[Array]:
    raise AssertionError("nothing is computed here")


def taken(queues: Queues, now: float) -> int | None:
    batch = queues.take(now)
    return None if batch is None else batch.size


def test_a_batch_waits_for_others_until_its_time_is_over() -> None:
    waiting = queues()
    add(waiting, 1, now=10.0)
    add(waiting, 2, now=10.4)
    assert waiting.next_time() == 10.0 + WAIT
    assert taken(waiting, 10.0 + WAIT - 0.001) is None
    assert taken(waiting, 10.0 + WAIT) == 3
    assert (waiting.next_time(), bool(waiting)) == (None, False)


def test_a_full_batch_waits_for_nobody() -> None:
    waiting = queues()
    add(waiting, 3)
    add(waiting, 1)
    assert taken(waiting, 0.0) == 4


def test_a_request_that_does_not_fit_closes_the_batch() -> None:
    waiting = queues()
    add(waiting, 3)
    add(waiting, 2)
    assert taken(waiting, 0.0) == 3
    assert taken(waiting, 0.0) is None
    assert taken(waiting, WAIT) == 2


def test_without_a_timeout_a_batch_is_due_at_once() -> None:
    waiting = queues(batch_timeout_micros=0)
    add(waiting, 1)
    assert taken(waiting, 0.0) == 1


def test_requests_of_other_kinds_are_not_joined_and_take_turns() -> None:
    waiting = queues()
    for kind in ("a", "a", "b"):
        add(waiting, 4, kind=kind)
    batches = [waiting.take(0.0) for _ in range(3)]
    assert [batch.size for batch in batches if batch] == [4, 4, 4]
    add(waiting, 4, kind="a")
    add(waiting, 4, kind="a")
    add(waiting, 3, kind="b")
    assert [taken(waiting, math.inf) for _ in range(3)] == [4, 3, 4]


def test_a_request_that_is_too_large_is_refused() -> None:
    with pytest.raises(ServingError) as raised:
        add(queues(), 5)
    message = "Task size 5 is larger than maximum input batch size 4"
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, message)


def test_a_full_queue_refuses_and_others_do_not() -> None:
    waiting = queues(max_enqueued_batches=2)
    for _ in range(2):
        add(waiting, 3)
    with pytest.raises(ServingError) as raised:
        add(waiting, 3)
    assert raised.value.code == Code.UNAVAILABLE
    assert raised.value.message == (
        "The batch scheduling queue to which this task was submitted is full; "
        "currently 2 batches enqueued and max_enqueued_batches is 2"
    )
    add(waiting, 1)
    add(waiting, 3, kind="other")
    assert taken(waiting, 0.0) == 3
    add(waiting, 3)


def test_a_request_is_split_over_batches() -> None:
    waiting = queues(
        enable_large_batch_splitting=True, max_execution_batch_size=2, max_batch_size=9
    )
    add(waiting, 1)
    parts = add(waiting, 6)
    assert [(part.size, part.is_slice) for part in parts] == [
        (1, True),
        (2, True),
        (2, True),
        (1, True),
    ]
    assert [part.feeds["x"].tolist() for part in parts] == [[0], [1, 2], [3, 4], [5]]
    assert [taken(waiting, math.inf) for _ in range(4)] == [2, 2, 2, 1]
    (whole,) = add(waiting, 2)
    assert not whole.is_slice
    assert [part.size for part in add(waiting, 3)] == [2, 1]


def test_a_request_that_fits_no_queue_even_split_is_refused() -> None:
    waiting = queues(
        enable_large_batch_splitting=True,
        max_execution_batch_size=2,
        max_batch_size=9,
        max_enqueued_batches=2,
    )
    add(waiting, 1)
    with pytest.raises(ServingError) as raised:
        add(waiting, 4)
    assert raised.value.message.endswith(
        "is full; task size is 4 but scheduling capacity is only 3 (num_enqueued_batches=1, "
        "max_enqueued_batches=2, open_batch_size=1, max_execution_batch_size=2)"
    )
    assert len(add(waiting, 3)) == 2


FILE = """
max_batch_size { value: 128 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 20 }
num_batch_threads { value: 3 }
thread_pool_name { value: "batches" }
pad_variable_length_inputs: true
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 64 }
allowed_batch_sizes: 16
allowed_batch_sizes: 64
"""


def test_a_file_says_the_parameters_in_tensorflow_servings_words(tmp_path: Path) -> None:
    (tmp_path / "all").write_text(FILE)
    assert read_batching_file(tmp_path / "all") == BatchingParameters(
        max_batch_size=128,
        batch_timeout_micros=2000,
        max_enqueued_batches=20,
        num_batch_threads=3,
        allowed_batch_sizes=(16, 64),
        pad_variable_length_inputs=True,
        enable_large_batch_splitting=True,
        max_execution_batch_size=64,
    )
    (tmp_path / "whole").write_text(FILE.replace("sizes: 64", "sizes: 128"))
    assert read_batching_file(tmp_path / "whole").allowed_batch_sizes == (16, 128)
    (tmp_path / "none").write_text("")
    assert read_batching_file(tmp_path / "none") == BatchingParameters()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 3", "must be a BatchingParameters in text format: 1:17"),
        ("max_batch_size { value: 0 }", "`max_batch_size` must be at least 1. Received: 0"),
        ("num_batch_threads { value: -1 }", "`num_batch_threads` must be at least 1"),
        ("batch_timeout_micros { value: -1 }", "must not be negative. Received: -1"),
        ("allowed_batch_sizes: 8", "must be `max_batch_size`. Received: 8, max_batch_size=1000"),
        ("allowed_batch_sizes: [9, 8]", r"must ascend from 1 on. Received: \(9, 8\)"),
        (
            "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 1001 }",
            r"must be in \[1, max_batch_size\]. Received: 1001, max_batch_size=1000",
        ),
    ],
)
def test_parameters_that_make_no_sense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "batching").write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        read_batching_file(tmp_path / "batching")
    assert str(raised.value).startswith(str(tmp_path / "batching"))
