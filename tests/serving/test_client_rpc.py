"""The client's gRPC: messages without TensorFlow, tensors, and codes as errors."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from serving.client import (
    AsyncRanker,
    ClientError,
    ConnectError,
    Limits,
    Ranker,
    RequestTimeoutError,
    ResponseError,
    Retry,
    StatusError,
    Timeout,
)
from serving.client.operations import NUMPY_TYPES
from serving.client.rpc.protos import message_class
from serving.client.rpc.tensors import read_tensor, write_tensor
from serving.client.testing import FakeClock

ONCE = Retry(attempts=1)


def arrays() -> list[Any]:
    numeric = [
        np.arange(6).reshape(2, 3).astype(dtype)
        for dtype in NUMPY_TYPES.values()
        if dtype is not object
    ]
    words = np.array([["a", ""], ["ö\0", b"\xff"]], object)
    return [*numeric, words, np.float32(1.5), np.zeros((0, 3), np.float32), np.array([], object)]


def as_bytes(array: Any) -> Any:
    """The array as an answer gives it: words as bytes."""
    if np.asarray(array).dtype != object:
        return np.asarray(array)
    words = [word.encode() if isinstance(word, str) else word for word in array.ravel()]
    return np.array(words, object).reshape(array.shape)


@pytest.mark.parametrize("array", arrays(), ids=lambda array: f"{array.dtype}-{array.shape}")
def test_tensors_are_those_of_tensorflow(array: Any) -> None:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    from serving.server.tensors import write_tensor as write_typed

    ours = message_class("PredictRequest")().inputs["x"]
    write_tensor(np.asarray(array), ours)
    theirs = tensor_pb2.TensorProto.FromString(ours.SerializeToString())
    np.testing.assert_array_equal(tf.make_ndarray(theirs), as_bytes(array))
    typed = tensor_pb2.TensorProto()
    write_typed(as_bytes(array), typed)
    for proto in (theirs, typed):
        read = read_tensor(proto)
        assert read.dtype == np.asarray(array).dtype
        np.testing.assert_array_equal(read, as_bytes(array))


@pytest.mark.parametrize("order", [("tensorflow", "client"), ("client", "tensorflow")])
def test_messages_get_along_with_tensorflows_own_whichever_comes_first(
    order: tuple[str, str],
) -> None:
    lines = {
        "tensorflow": "from tensorflow_serving.apis import predict_pb2; import tensorflow",
        "client": "from serving.client.rpc.protos import message_class as c; c('PredictRequest')",
    }
    code = "; ".join(
        [
            *(lines[name] for name in order),
            "theirs = predict_pb2.PredictRequest()",
            "theirs.inputs['x'].CopyFrom(tensorflow.make_tensor_proto([1.5]))",
            "ours = c('PredictRequest').FromString(theirs.SerializeToString())",
            "assert ours.SerializeToString() == theirs.SerializeToString()",
            "assert type(ours) is not type(theirs)",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=True)


Handler = Any


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """A gRPC server that answers every method by bytes; its URL."""

    class Generic(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, handler_call_details: Any) -> Any:
            method = handler_call_details.method
            return grpc.unary_unary_rpc_method_handler(
                lambda body, context: handler(method, body, context)
            )

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Generic()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def refusing(code: grpc.StatusCode, *trailing: tuple[str, str]) -> Handler:
    def handler(method: str, body: bytes, context: Any) -> bytes:
        context.set_trailing_metadata(trailing)
        context.abort(code, "no")
        raise AssertionError("abort raises")

    return handler


def both_raise(url: str, **options: Any) -> ClientError:
    """The error of a status call, which must be the same in threads and in event loops."""

    async def ask() -> None:
        async with AsyncRanker(url, **{"retry": ONCE, **options}) as ranker:
            await ranker.status()

    with pytest.raises(ClientError) as in_loop:
        asyncio.run(ask())
    ranker = Ranker(url, **{"retry": ONCE, **options})
    with ranker, pytest.raises(ClientError) as in_thread:
        ranker.status()
    assert type(in_loop.value) is type(in_thread.value)
    assert vars(in_loop.value) == vars(in_thread.value)
    return in_thread.value


@pytest.mark.parametrize("code", list(grpc.StatusCode)[1:], ids=lambda code: code.name)
def test_codes_are_the_errors_that_rest_has_for_them(code: grpc.StatusCode) -> None:
    from serving.server.status import HTTP_STATUS, Code

    with serving(refusing(code)) as url:
        error = both_raise(url)
    assert error.url == f"{url}/tensorflow.serving.ModelService/GetModelStatus"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        assert isinstance(error, RequestTimeoutError)
        return
    assert isinstance(error, StatusError)
    assert (error.code, error.server_message) == (code.name, "no")
    assert error.status_code == HTTP_STATUS[Code[code.name]]
    assert error.is_transient == (code.name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"))


def test_the_server_says_when_to_come_again() -> None:
    refusal = refusing(grpc.StatusCode.UNAVAILABLE, ("grpc-retry-pushback-ms", "1500"))
    clock = FakeClock()
    with serving(refusal) as url:
        both_raise(url, clock=clock, retry=Retry(attempts=2))
    assert clock.slept == [1.5, 1.5]


def test_a_server_that_is_not_there_is_a_connect_error() -> None:
    with serving(refusing(grpc.StatusCode.INTERNAL)) as url:
        pass
    assert isinstance(both_raise(url), ConnectError)


def test_the_deadline_of_the_call_is_the_deadline_of_grpc() -> None:
    given = []

    def slow(method: str, body: bytes, context: Any) -> bytes:
        given.append(context.time_remaining())
        while context.is_active():
            pass
        return b""

    with serving(slow) as url:
        assert isinstance(both_raise(url, timeout=Timeout(total=0.2)), RequestTimeoutError)
    assert all(0 < seconds < 0.25 for seconds in given)


@pytest.mark.parametrize("answer", [b"\xff\xff", b"x" * 100_000])
def test_an_answer_that_makes_no_sense_or_is_too_large_is_a_response_error(answer: bytes) -> None:
    limits = Limits(max_response_bytes=50_000)
    with serving(lambda *_: answer) as url:
        assert isinstance(both_raise(url, limits=limits), ResponseError)


def test_version_and_label_are_part_of_the_request() -> None:
    seen = []

    def handler(method: str, body: bytes, context: Any) -> bytes:
        seen.append(message_class("GetModelStatusRequest").FromString(body).model_spec)
        return b""

    with serving(handler) as url:
        for options in ({}, {"version": 0}, {"label": "stable"}):
            with Ranker(url, model="a/ä", **options) as ranker:  # type: ignore[arg-type]
                assert ranker.status() == ()
    assert {spec.name for spec in seen} == {"a/ä"}
    assert [spec.WhichOneof("version_choice") for spec in seen] == [
        None,
        "version",
        "version_label",
    ]
    assert seen[2].version_label == "stable"
