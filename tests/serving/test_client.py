"""The client against a fake transport: requests as they are sent, errors as they come."""

import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from serving.client import (
    ConnectError,
    Limits,
    RankingClient,
    RankingRequestError,
    RequestTimeoutError,
    ResponseError,
    StatusError,
    Timeout,
    TransportError,
)
from transforms.errors import ConfigError

Handler = Callable[[httpx.Request], httpx.Response]


def metadata(version: int = 1, *features: str) -> dict[str, Any]:
    info = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}
    definition = {
        "inputs": dict.fromkeys(features or ("price",), info),
        "outputs": {"score": info, "click": info},
    }
    return {
        "model_spec": {"name": "ranker", "version": str(version), "signature_name": ""},
        "metadata": {"signature_def": {"signature_def": {"rank": definition}}},
    }


def client(handler: Handler, **options: Any) -> RankingClient:
    return RankingClient("http://server:8501/", transport=httpx.MockTransport(handler), **options)


def answering(document: Any, status: int = 200) -> Handler:
    return lambda request: httpx.Response(status, json=document)


def failing(error: Exception) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


def test_ranking_sends_columns_and_sorts_the_answer() -> None:
    requests = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path, request.content))
        if request.method == "GET":
            return httpx.Response(200, json=metadata())
        return httpx.Response(200, json={"outputs": {"score": [0.1, 0.9], "click": [0.5, 0.25]}})

    with client(handler) as ranking:
        request = {"candidates": [{"item_id": "a", "price": 2}, {"item_id": "b"}]}
        ranked = ranking.rank(request)
        ranking.rank(request)
    assert [(one.item_id, one.score) for one in ranked] == [("b", 0.9), ("a", 0.1)]
    assert ranked[0].predictions == {"click": 0.25}
    assert [path for _, path, _ in requests] == [
        "/v1/models/ranker/metadata",
        "/v1/models/ranker:predict",
        "/v1/models/ranker:predict",
    ]
    assert requests[1][2] == b'{"signature_name":"rank","inputs":{"price":[2.0, NaN]}}'


def test_no_candidates_are_ranked_without_a_prediction() -> None:
    with client(answering(metadata())) as ranking:
        ranked = ranking.rank({"candidates": []})
    assert (len(ranked), list(ranked.predictions)) == (0, ["click"])


def test_a_request_the_model_cannot_read_is_not_sent() -> None:
    refusal = pytest.raises(RankingRequestError, match=r"candidates\[0\]\.pric: is no feature")
    with client(answering(metadata())) as ranking, refusal:
        ranking.rank({"candidates": [{"item_id": 1, "pric": 2}]})


def test_too_many_candidates_are_not_sent() -> None:
    refusal = pytest.raises(RankingRequestError, match=r"must be at most 1\. Received: 2")
    with client(answering(metadata()), limits=Limits(max_candidates=1)) as ranking, refusal:
        ranking.rank({"candidates": [{"item_id": 1}, {"item_id": 2}]})


def test_a_new_version_with_other_features_is_asked_about_once_more() -> None:
    versions = iter([metadata(1, "price"), metadata(2, "price", "age")])

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=next(versions))
        inputs = json.loads(request.content)["inputs"]
        if set(inputs) != {"price", "age"}:
            return httpx.Response(400, json={"error": "input size does not match signature"})
        return httpx.Response(200, json={"outputs": {"score": [1.0], "click": [0.5]}})

    with client(handler) as ranking:
        assert ranking.rank({"candidates": [{"item_id": "a", "price": 2}]})[0].score == 1.0


def test_a_refusal_that_is_not_about_the_features_is_not_repeated() -> None:
    posts = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=metadata())
        posts.append(request)
        return httpx.Response(400, json={"error": "no"})

    with client(handler) as ranking, pytest.raises(StatusError):
        ranking.rank({"candidates": [{"item_id": "a"}]})
    assert len(posts) == 1


def test_predict_takes_columns_arrays_or_rows() -> None:
    bodies = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, content=b'{"outputs": [NaN], "predictions": [1]}')

    with client(handler) as ranking:
        (value,) = ranking.predict(inputs={"x": np.array([1, 2]), "y": ["a"]})
        assert ranking.predict(instances=[{"x": np.float32(0.5)}], signature="s") == [1]
        with pytest.raises(ConfigError, match="exactly one of `inputs` and `instances`"):
            ranking.predict()
    assert math.isnan(value)
    assert bodies == [
        {"signature_name": "serving_default", "inputs": {"x": [1, 2], "y": ["a"]}},
        {"signature_name": "s", "instances": [{"x": 0.5}]},
    ]


def test_status_lists_the_versions() -> None:
    state = {
        "version": "3",
        "state": "END",
        "status": {"error_code": "NOT_FOUND", "error_message": "gone"},
    }
    with client(answering({"model_version_status": [state]})) as ranking:
        (status,) = ranking.status()
    assert (status.version, status.state, status.error_code) == (3, "END", "NOT_FOUND")


def test_a_fixed_version_and_an_odd_name_are_part_of_the_path() -> None:
    paths = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"model_version_status": []})

    with client(handler, model="a/b", version=3) as ranking:
        ranking.status()
    assert paths == [b"/v1/models/a%2Fb/versions/3"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), ConnectError),
        (httpx.ConnectTimeout("slow"), ConnectError),
        (httpx.ReadTimeout("slow"), RequestTimeoutError),
        (httpx.RemoteProtocolError("broken"), TransportError),
    ],
)
def test_what_fails_on_the_way_is_a_transport_error_with_the_url(
    error: Exception, kind: type[TransportError]
) -> None:
    with client(failing(error)) as ranking, pytest.raises(kind) as raised:
        ranking.status()
    assert isinstance(raised.value, TransportError)
    assert str(raised.value).startswith("http://server:8501/v1/models/ranker: ")


def test_a_refusal_carries_the_servers_words() -> None:
    known = client(answering({"error": "no such model"}, 404))
    with known as ranking, pytest.raises(StatusError) as raised:
        ranking.status()
    assert (raised.value.status_code, raised.value.server_message) == (404, "no such model")
    unknown = client(lambda request: httpx.Response(502, text="<html>\r\n <b>\n"))
    with unknown as ranking, pytest.raises(StatusError, match=r"502: <html> <b>$"):
        ranking.status()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"{}", b"[]", b'{"outputs": {}}'])
def test_an_answer_that_makes_no_sense_is_a_response_error(body: bytes) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=metadata())
        return httpx.Response(200, content=body)

    with client(handler) as ranking, pytest.raises(ResponseError):
        ranking.rank({"candidates": [{"item_id": 1}]})


def test_an_endless_answer_is_cut_off() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=(b"x" * 1000 for _ in range(10**9)))

    limits = Limits(max_response_bytes=100_000)
    with client(handler, limits=limits) as ranking, pytest.raises(ResponseError, match="at most"):
        ranking.status()


@pytest.mark.parametrize("url", ["server:8501", "ftp://server", "http://", ""])
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="the server's URL"):
        RankingClient(url)


@pytest.mark.parametrize("make", [lambda: Timeout(read=0), lambda: Limits(max_candidates=0)])
def test_bounds_that_make_no_sense_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        make()
