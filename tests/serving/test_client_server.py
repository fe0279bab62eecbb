"""The client and the embedded server: four ways to ask, one answer."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from serving.client import (
    AsyncRanker,
    ClientError,
    ConnectError,
    RankedCandidates,
    Ranker,
    Retry,
    StatusError,
)
from serving.server import All, ModelConfig, ServerOptions, running_server

Ask = Callable[..., Any]
USER = {"age": 30, "interests": ["nike", "ĝis\0", "x"]}
CANDIDATES = [
    {"item_id": "a", "brand": "none", "price": 2.7},
    {"item_id": "ö\0", "brand": "ĝis\0", "words": ["x", "y"]},
    {"item_id": 7, "brand": None, "price": None, "words": []},
    {"item_id": None, "brand": "x", "price": -1e30, "words": ["", "y", "left out"]},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from toy_ranker import write_version

    base = tmp_path_factory.mktemp("models") / "ranker"
    for version in (1, 2):
        write_version(base, version, weight=float(version))
    model = ModelConfig("ranker", base, All(), {"stable": 1})
    with running_server(ServerOptions(models=(model,), port=0, grpc_port=0)) as server:
        yield server


def urls(server: Any) -> tuple[str, str]:
    return f"http://127.0.0.1:{server.port}", f"grpc://127.0.0.1:{server.grpc_port}"


def four_ways(server: Any, method: str, *arguments: Any, **options: Any) -> list[Any]:
    """The answers, or errors, over REST and gRPC in a thread and in an event loop."""

    async def ask(url: str) -> Any:
        async with AsyncRanker(url, **options) as ranker:
            return await getattr(ranker, method)(*arguments)

    answers = []
    for url in urls(server):
        try:
            with Ranker(url, **options) as ranker:
                answers.append(getattr(ranker, method)(*arguments))
        except ClientError as error:
            answers.append(error)
        try:
            answers.append(asyncio.run(ask(url)))
        except ClientError as error:
            answers.append(error)
    return answers


def assert_equal(first: RankedCandidates, second: RankedCandidates) -> None:
    assert first.item_ids == second.item_ids
    np.testing.assert_array_equal(first.scores, second.scores)
    assert first.predictions.keys() == second.predictions.keys() == {"click"}
    np.testing.assert_array_equal(first.predictions["click"], second.predictions["click"])


def test_all_four_ways_rank_alike(server: Any) -> None:
    answers = four_ways(server, "rank", USER, CANDIDATES)
    assert answers[0].item_ids == ("ö\0", "a", 7, None)
    assert answers[0][0].score == 132.0
    assert answers[0][2].score == 30.0
    for answer in answers[1:]:
        assert_equal(answers[0], answer)


@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_any_number_of_candidates_is_ranked_alike_as_objects_arrays_and_table(
    server: Any, size: int
) -> None:
    price = np.random.default_rng(0).normal(size=size).astype(np.float32)
    price[1::7] = np.nan
    brand = [f"brand {index % 97}" for index in range(size)]
    columns = {"item_id": np.arange(size), "brand": np.array(brand, object), "price": price}
    objects = [
        {"item_id": index, "brand": brand[index], "price": float(price[index])}
        for index in range(size)
    ]
    table = pa.table({**columns, "brand": pa.array(brand, pa.string())})
    user = {"interests": np.array(["brand 3"]), "age": np.float64(1)}
    answers = [
        answer
        for candidates in (objects, columns, table)
        for answer in four_ways(server, "rank", user, candidates)
    ]
    assert len(answers[0]) == size
    for answer in answers[1:]:
        assert_equal(answers[0], answer)


def test_all_four_ways_say_the_same_of_the_model(server: Any) -> None:
    status, *others = four_ways(server, "status")
    assert [version.state for version in status] == ["AVAILABLE", "AVAILABLE"]
    assert others == [status] * 3
    metadata, *others = four_ways(server, "metadata")
    assert others == [metadata] * 3
    assert metadata.version == 2
    assert metadata.rank_signature.outputs == ("click", "score")


@pytest.mark.parametrize(
    ("options", "weight"), [({}, 2.0), ({"version": 1}, 1.0), ({"label": "stable"}, 1.0)]
)
def test_a_version_or_label_is_asked_for_in_all_four_ways(
    server: Any, options: dict[str, Any], weight: float
) -> None:
    inputs = {"x": [1.5, np.nan, np.inf]}
    for answer in four_ways(server, "predict", inputs, **options):
        assert answer["y"].dtype == np.float32
        np.testing.assert_array_equal(answer["y"], np.array(inputs["x"]) * weight)


@pytest.mark.parametrize(
    ("options", "method", "arguments"),
    [
        ({"model": "other"}, "status", ()),
        ({"version": 9}, "metadata", ()),
        ({"label": "canary"}, "metadata", ()),
        ({}, "predict", ({"age": [1.0]}, "rank")),
        ({}, "predict", ({},)),
    ],
)
def test_all_four_ways_are_refused_with_the_same_words(
    server: Any, options: dict[str, Any], method: str, arguments: tuple[Any, ...]
) -> None:
    errors = four_ways(server, method, *arguments, **options)
    assert {type(error) for error in errors} == {StatusError}
    assert len({error.status_code for error in errors}) == 1
    codes = {error.code for error in errors}
    assert codes <= {"NOT_FOUND", "INVALID_ARGUMENT"} and len(codes) == 1


def test_threads_and_tasks_share_a_ranker(server: Any) -> None:
    one = [{"item_id": 1, "brand": "x"}]

    def rank_some(ranker: Ranker, found: list[Any]) -> None:
        found += [ranker.rank({"age": age}, one)[0].score for age in range(20)]

    async def rank_all(url: str) -> list[Any]:
        async with AsyncRanker(url) as ranker:
            tasks = [ranker.rank({"age": age}, one) for age in range(20)]
            return [ranked[0].score for ranked in await asyncio.gather(*tasks)]

    for url in urls(server):
        found: list[list[Any]] = [[] for _ in range(4)]
        with Ranker(url) as ranker:
            threads = [threading.Thread(target=rank_some, args=(ranker, own)) for own in found]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert [*found, asyncio.run(rank_all(url))] == [[*map(float, range(20))]] * 5


def test_a_server_that_went_is_a_connect_error_and_one_that_came_back_is_found(
    tmp_path: Path,
) -> None:
    from toy_ranker import write_version

    write_version(tmp_path / "ranker", 1, weight=1.0)
    options = ServerOptions(model_dir=tmp_path / "ranker", port=0, grpc_port=0)
    with running_server(options) as server:
        rankers = [Ranker(url, retry=Retry(attempts=1)) for url in urls(server)]
        for ranker in rankers:
            ranker.rank({}, CANDIDATES)
    for ranker in rankers:
        with pytest.raises(ClientError) as raised:
            ranker.rank({}, CANDIDATES)
        assert raised.value.is_transient
        with pytest.raises(ConnectError):
            ranker.rank({}, CANDIDATES)
    again = ServerOptions(
        model_dir=tmp_path / "ranker", port=server.port, grpc_port=server.grpc_port
    )
    with running_server(again):
        time.sleep(0.3)  # gRPC waits a little before it tries again
        for ranker in rankers:
            assert len(ranker.rank({}, CANDIDATES)) == 4
            ranker.close()


def test_a_grpc_ranker_asks_without_loading_tensorflow(server: Any) -> None:
    code = (
        "import sys; from serving.client import Ranker; "
        f"ranker = Ranker({urls(server)[1]!r}); "
        "print(ranker.rank({'age': 1}, [{'item_id': 'a', 'price': 2, 'brand': 'x'}])[0].score); "
        "heavy = {'tensorflow', 'tensorflow_serving', 'httpx', 'pyarrow'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "5.0\n"
