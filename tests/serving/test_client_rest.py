"""The client over REST, against a fake of the network: requests as sent, errors as they come."""

import asyncio
import json
import math
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serving.client import (
    AsyncRanker,
    ClientError,
    ConnectError,
    ConnectionLostError,
    Limits,
    Ranker,
    RankingRequestError,
    RequestTimeoutError,
    ResponseError,
    Retry,
    StatusError,
    Timeout,
    Tls,
    TransportError,
)
from serving.client.rest.transport import AsyncRestTransport, RestTransport
from serving.client.target import ModelAddress, Target
from serving.client.testing import FakeClock
from transforms.errors import ConfigError, InputError

Handler = Callable[[httpx.Request], httpx.Response]
URL = "http://server:8501/"
ONCE = Retry(attempts=1)
RANKER = ModelAddress("ranker")


def info(dtype: str = "DT_FLOAT") -> dict[str, Any]:
    return {"dtype": dtype, "tensor_shape": {"dim": [{"size": "-1"}]}}


def metadata(version: int = 1, *features: str, tasks: tuple[str, ...] = ("click",)) -> Any:
    definition = {
        "inputs": dict.fromkeys(features or ("price",), info()),
        "outputs": dict.fromkeys(("score", *tasks), info()),
    }
    echo = {
        "inputs": {"x": info("DT_INT32"), "text": info("DT_STRING")},
        "outputs": {"y": info("DT_DOUBLE"), "text": info("DT_STRING")},
    }
    return {
        "model_spec": {"name": "ranker", "version": str(version), "signature_name": ""},
        "metadata": {"signature_def": {"signature_def": {"rank": definition, "echo": echo}}},
    }


def target(model: ModelAddress, limits: Limits | None = None) -> Target:
    return Target(URL, model, Timeout(), limits or Limits(), Tls())


def client(handler: Handler, model: ModelAddress = RANKER, **options: Any) -> Ranker:
    here = target(model, options.get("limits"))
    transport = RestTransport(here, httpx.MockTransport(handler))
    return Ranker(URL, transport=transport, **{"clock": FakeClock(), "retry": ONCE, **options})


def answering(document: Any, status: int = 200) -> Handler:
    return lambda request: httpx.Response(status, json=document)


def ranking(outputs: Any, about: Any = None) -> Handler:
    """Answers metadata, and predictions with these outputs."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=about or metadata())
        return httpx.Response(200, content=json.dumps({"outputs": outputs}).encode())

    return handler


def failing(error: Exception) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


def test_ranking_sends_columns_and_sorts_the_answer() -> None:
    requests = []
    answer = ranking({"score": [0.25, 0.75], "click": [0.5, 0.25]})

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path, request.content))
        return answer(request)

    with client(handler) as ranker:
        ranked = ranker.rank({}, [{"item_id": "a", "price": 2}, {"item_id": "b"}])
        ranker.rank({}, {"item_id": ["a", "b"], "price": np.array([2, np.nan])})
    assert [(one.item_id, one.score) for one in ranked] == [("b", 0.75), ("a", 0.25)]
    assert ranked[0].predictions == {"click": 0.25}
    assert [path for _, path, _ in requests] == [
        "/v1/models/ranker/metadata",
        "/v1/models/ranker:predict",
        "/v1/models/ranker:predict",
    ]
    body = b'{"signature_name":"rank","inputs":{"price":[2.0,NaN]}}'
    assert [body for _, _, body in requests[1:]] == [body, body]


def test_no_candidates_are_ranked_without_a_prediction() -> None:
    with client(answering(metadata())) as ranker:
        ranked = ranker.rank({}, [])
    assert (len(ranked), list(ranked.predictions)) == (0, ["click"])


def test_a_request_the_model_cannot_read_is_not_sent() -> None:
    refusal = pytest.raises(RankingRequestError, match=r"candidates\[0\]\.pric: is no feature")
    with client(answering(metadata())) as ranker, refusal:
        ranker.rank({}, [{"item_id": 1, "pric": 2}])


def test_too_many_candidates_are_not_sent() -> None:
    refusal = pytest.raises(RankingRequestError, match=r"must be at most 1\. Received: 2")
    with client(answering(metadata()), limits=Limits(max_candidates=1)) as ranker, refusal:
        ranker.rank({}, [{"item_id": 1}, {"item_id": 2}])


def test_a_new_version_with_other_features_is_asked_about_once_more() -> None:
    versions = iter([metadata(1, "price"), metadata(2, "price", "age")])

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=next(versions))
        inputs = json.loads(request.content)["inputs"]
        if set(inputs) != {"price", "age"}:
            return httpx.Response(400, json={"error": "input size does not match signature"})
        return httpx.Response(200, json={"outputs": {"score": [1.0], "click": [0.5]}})

    with client(handler) as ranker:
        assert ranker.rank({}, [{"item_id": "a", "price": 2}])[0].score == 1.0


def test_a_feature_that_a_new_version_reads_is_sent_to_it() -> None:
    versions = iter([metadata(1, "price"), metadata(2, "price", "age")])

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=next(versions))
        assert "age" in json.loads(request.content)["inputs"]
        return httpx.Response(200, json={"outputs": {"score": [1.0], "click": [0.5]}})

    with client(handler) as ranker:
        assert len(ranker.rank({}, [{"item_id": "a", "age": 2}])) == 1


def test_a_new_version_with_one_output_only_is_understood() -> None:
    versions = iter([metadata(1), metadata(2, tasks=())])

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=next(versions))
        return httpx.Response(200, json={"outputs": [1.0]})

    with client(handler) as ranker:
        assert dict(ranker.rank({}, [{"item_id": "a"}]).predictions) == {}


def test_metadata_is_asked_for_again_at_most_once_a_second() -> None:
    paths = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json=metadata())

    clock = FakeClock()
    with client(handler, clock=clock) as ranker:
        for _ in range(5):
            with pytest.raises(RankingRequestError):
                ranker.rank({"agee": 1}, [])
        assert len(paths) == 2
        clock.advance(1.0)
        with pytest.raises(RankingRequestError):
            ranker.rank({"agee": 1}, [])
    assert len(paths) == 3


def test_a_refusal_that_is_not_about_the_features_is_not_repeated() -> None:
    posts = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=metadata())
        posts.append(request)
        return httpx.Response(400, json={"error": "no"})

    with client(handler) as ranker, pytest.raises(StatusError):
        ranker.rank({}, [{"item_id": "a"}])
    assert len(posts) == 1


def test_predict_sends_and_gives_arrays_of_the_signatures_types() -> None:
    bodies = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=metadata())
        bodies.append(json.loads(request.content))
        answer = b'{"outputs": {"y": [NaN, 1], "text": ["\xc3\xb6", {"b64": "/w=="}]}}'
        return httpx.Response(200, content=answer)

    with client(handler) as ranker:
        inputs = {"x": np.array([1.0, 2.0]), "text": ["a", b"\xff"]}
        answer = ranker.predict(inputs, signature="echo")
    assert bodies == [
        {"signature_name": "echo", "inputs": {"x": [1, 2], "text": ["a", {"b64": "/w=="}]}}
    ]
    assert answer["y"].dtype == np.float64
    assert math.isnan(answer["y"][0])
    assert answer["text"].tolist() == ["ö".encode(), b"\xff"]


@pytest.mark.parametrize(
    ("inputs", "signature", "message"),
    [
        ({"x": [1.5]}, "echo", "input `x` must hold values of DT_INT32"),
        ({"x": [2**40]}, "echo", "input `x` must hold values of DT_INT32"),
        ({"x": ["1"]}, "echo", "input `x` must hold values of DT_INT32"),
        ({"x": [[1], [1, 2]]}, "echo", "input `x` must be a regular array"),
        ({"text": [1]}, "echo", "input `text` must hold values of DT_STRING"),
        ({"z": [1]}, "echo", "`z` is no input of signature `echo`. It has: text, x"),
        ({"x": [1]}, "ecko", "the model has no signature `ecko`. It has: echo, rank"),
    ],
)
def test_inputs_that_do_not_fit_the_signature_are_not_sent(
    inputs: dict[str, Any], signature: str, message: str
) -> None:
    with client(answering(metadata())) as ranker, pytest.raises(InputError) as raised:
        ranker.predict(inputs, signature)
    assert str(raised.value) == message


def test_status_lists_the_versions() -> None:
    state = {
        "version": "3",
        "state": "END",
        "status": {"error_code": "NOT_FOUND", "error_message": "gone"},
    }
    with client(answering({"model_version_status": [state]})) as ranker:
        (status,) = ranker.status()
    assert (status.version, status.state, status.error_code) == (3, "END", "NOT_FOUND")


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (ModelAddress("a/b", version=3), b"/v1/models/a%2Fb/versions/3"),
        (ModelAddress("ä", label="stable?"), b"/v1/models/%C3%A4/labels/stable%3F"),
    ],
)
def test_a_fixed_version_or_label_and_an_odd_name_are_part_of_the_path(
    model: ModelAddress, path: bytes
) -> None:
    paths = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"model_version_status": []})

    with client(handler, model) as ranker:
        ranker.status()
    assert paths == [path]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), ConnectError),
        (httpx.ConnectTimeout("slow"), ConnectError),
        (httpx.ReadTimeout("slow"), RequestTimeoutError),
        (httpx.PoolTimeout("full"), RequestTimeoutError),
        (httpx.RemoteProtocolError("broken"), ConnectionLostError),
        (httpx.ReadError("reset"), ConnectionLostError),
        (httpx.LocalProtocolError("ours"), TransportError),
        (httpx.DecodingError("no gzip"), ResponseError),
    ],
)
def test_what_fails_on_the_way_is_one_of_the_clients_errors_with_the_url(
    error: Exception, kind: type[ClientError]
) -> None:
    with client(failing(error)) as ranker, pytest.raises(ClientError) as raised:
        ranker.status()
    assert type(raised.value) is kind
    assert str(raised.value).startswith("http://server:8501/v1/models/ranker: ")


def test_a_refusal_carries_the_servers_words_and_a_code() -> None:
    known = client(answering({"error": "no such model"}, 404))
    with known as ranker, pytest.raises(StatusError) as raised:
        ranker.status()
    error = raised.value
    assert (error.code, error.status_code) == ("NOT_FOUND", 404)
    assert error.server_message == "no such model"
    unknown = client(lambda request: httpx.Response(502, text="<html>\r\n <b>\n"))
    with unknown as ranker, pytest.raises(StatusError, match=r"502 UNAVAILABLE: <html> <b>$"):
        ranker.status()
    late = client(answering({"error": "deadline"}, 504))
    with late as ranker, pytest.raises(RequestTimeoutError, match="504 DEADLINE_EXCEEDED"):
        ranker.status()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
        ("soon", None),
        ("9" * 5000, None),
        (None, None),
    ],
)
def test_the_server_says_when_to_come_again(header: str | None, seconds: float | None) -> None:
    headers = {} if header is None else {"Retry-After": header}
    with client(lambda _: httpx.Response(503, headers=headers)) as ranker:
        with pytest.raises(StatusError) as raised:
            ranker.status()
        assert raised.value.retry_after == seconds


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"{}", b"[]", b'{"outputs": {}}'])
def test_an_answer_that_makes_no_sense_is_a_response_error(body: bytes) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=metadata())
        return httpx.Response(200, content=body)

    with client(handler) as ranker, pytest.raises(ResponseError):
        ranker.rank({}, [{"item_id": 1}])


@pytest.mark.parametrize("outputs", [[[1, 2]], [1], {"score": ["x"]}, {"score": [{}]}, "x", None])
def test_outputs_that_are_no_ranking_are_a_response_error(outputs: Any) -> None:
    with client(ranking(outputs)) as ranker, pytest.raises(ResponseError):
        ranker.rank({}, [{"item_id": 1}, {"item_id": 2}])


def test_an_endless_answer_is_cut_off() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=(b"x" * 1000 for _ in range(10**9)))

    limits = Limits(max_response_bytes=100_000)
    with client(handler, limits=limits) as ranker, pytest.raises(ResponseError, match="at most"):
        ranker.status()


def drip(seconds: float) -> Handler:
    def parts() -> Any:
        while True:
            time.sleep(seconds)
            yield b" "

    return lambda request: httpx.Response(200, content=parts())


def test_an_answer_in_drops_ends_with_the_deadline() -> None:
    start = time.monotonic()
    late = pytest.raises(RequestTimeoutError, match="did not end in time")
    with client(drip(0.01), timeout=Timeout(total=0.05)) as ranker, late:
        ranker.status()
    assert time.monotonic() - start < 1.0


def test_each_phase_gets_what_is_left_of_the_deadline() -> None:
    seen: dict[str, Any] = {}

    def handler(request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions["timeout"]
        seen["connect"] = timeouts.get("connect", None)
        time.sleep(0.02)
        seen["read"] = timeouts.get("read", None)
        return httpx.Response(200, json={"model_version_status": []})

    with client(handler, timeout=Timeout(total=1.0)) as ranker:
        ranker.status()
    assert 0.9 < seen["connect"] <= 1.0
    assert seen["read"] < seen["connect"] - 0.01
    with client(handler, timeout=Timeout(total=None, connect=2.0)) as ranker:
        ranker.status()
    assert seen == {"connect": 5.0, "read": 30.0}


def test_an_event_loop_gets_the_same_answers_and_errors() -> None:
    async def ask(handler: Handler, **options: Any) -> Any:
        http = httpx.MockTransport(handler)
        transport = AsyncRestTransport(target(RANKER), http)
        options = {"clock": FakeClock(), "retry": ONCE, **options}
        async with AsyncRanker(URL, transport=transport, **options) as ranker:
            return await ranker.rank({}, [{"item_id": "a"}, {"item_id": "b"}])

    answer = {"score": [0.25, 0.75], "click": [0.5, 0.25]}
    assert asyncio.run(ask(ranking(answer))).item_ids == ("b", "a")
    with pytest.raises(ConnectError):
        asyncio.run(ask(failing(httpx.ConnectError("refused"))))
    with pytest.raises(StatusError, match="404 NOT_FOUND: no"):
        asyncio.run(ask(answering({"error": "no"}, 404)))

    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(5)
        raise AssertionError("is cancelled")

    with pytest.raises(RequestTimeoutError):
        asyncio.run(ask(slow, timeout=Timeout(total=0.05)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "server:8501",
        "ftp://server",
        "http://",
        "",
        "http://server:99999",
        "http://server?x",
        "grpc://server",
        "grpc://server:8500/path",
        "http://[::1",
    ],
)
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="URL must be"):
        Ranker(url)


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as raised:
        Ranker("http://me:secret@server")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timeout(read=0),
        lambda: Timeout(total=math.nan),
        lambda: Limits(max_candidates=0),
        lambda: Retry(attempts=0),
        lambda: Retry(jitter=2),
        lambda: Retry(budget=-0.1),
        lambda: Tls(certificate_file=Path("a")),
        lambda: ModelAddress("m", version=1, label="stable"),
        lambda: ModelAddress(""),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match="must"):
        make()


def test_a_closed_ranker_can_be_closed_again_but_asks_nothing() -> None:
    ranker = client(answering(metadata()))
    ranker.close()
    ranker.close()
    with pytest.raises(RuntimeError, match="the ranker is closed"):
        ranker.status()


def close_after_each(listener: socket.socket, answers: int) -> None:
    """Answers as if the connection stayed open, then closes it."""
    body = b'{"model_version_status": []}'
    for _ in range(answers):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)


def test_a_connection_that_the_server_closed_meanwhile_fails_no_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=close_after_each, args=(listener, 8))
        thread.start()
        with Ranker(f"http://127.0.0.1:{listener.getsockname()[1]}") as ranker:
            assert [ranker.status() for _ in range(8)] == [()] * 8
        thread.join()
