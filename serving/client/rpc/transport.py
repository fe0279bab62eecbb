"""Operations over gRPC, in threads and in event loops, with the client's own errors."""

from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from serving.client.errors import ClientError
from serving.client.operations import Operation
from serving.client.rpc.wire import RpcMessage, RpcWire, refusal
from serving.client.target import Target

T = TypeVar("T")

_OPTIONS = (
    # A peer that is gone without a word is found by a ping, not by the next request.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # gRPC would wait a second or more before it tries a server again that was not there.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_send_message_length", -1),
    # As over REST: a proxy that the environment names is for the world outside.
    ("grpc.enable_http_proxy", 0),
)


class RpcTransport:
    """Sends operations over one connection that threads share.

    Args:
        target: the server and the model.
    """

    def __init__(self, target: Target) -> None:
        self._base = _Base(target)
        self._channel = self._base.open(grpc.insecure_channel, grpc.secure_channel)

    def send(self, operation: Operation[T], timeout: float | None) -> T:
        """Asks the server; see `Transport.send`."""
        message = self._base.wire.encode(operation)
        try:
            answer = self._channel.unary_unary(message.method)(message.body, timeout)
        except grpc.RpcError as error:
            raise self._base.translate(error, message) from None
        result: T = self._base.read(operation, message, answer)
        return result

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()


class AsyncRpcTransport:
    """Sends operations over one connection that the tasks of an event loop share.

    Args:
        target: the server and the model.
    """

    def __init__(self, target: Target) -> None:
        self._base = _Base(target)
        self._channel: grpc.aio.Channel | None = None

    async def asend(self, operation: Operation[T], timeout: float | None) -> T:
        """Asks the server; see `Transport.send`."""
        message = self._base.wire.encode(operation)
        if self._channel is None:
            # A channel belongs to the loop that runs when it is made.
            self._channel = self._base.open(grpc.aio.insecure_channel, grpc.aio.secure_channel)
        try:
            answer = await self._channel.unary_unary(message.method)(message.body, timeout=timeout)
        except grpc.RpcError as error:
            raise self._base.translate(error, message) from None
        result: T = self._base.read(operation, message, answer)
        return result

    async def aclose(self) -> None:
        """Closes the connection."""
        if self._channel is not None:
            await self._channel.close()


class _Base:
    """What the two transports share."""

    def __init__(self, target: Target) -> None:
        self.url = target.url.rstrip("/")
        self.wire = RpcWire(target.model)
        self._target = target

    def open(self, insecure: Callable[..., Any], secure: Callable[..., Any]) -> Any:
        """A channel; it connects when it is first asked."""
        most = self._target.limits.max_response_bytes
        options = (*_OPTIONS, ("grpc.max_receive_message_length", most))
        if not self._target.is_encrypted:
            return insecure(self._target.address, options=options)
        tls = self._target.tls
        files = (tls.ca_file, tls.key_file, tls.certificate_file)
        credentials = grpc.ssl_channel_credentials(*(file and file.read_bytes() for file in files))
        return secure(self._target.address, credentials, options=options)

    def read(self, operation: Operation[Any], message: RpcMessage, answer: bytes) -> Any:
        """What an answer says."""
        return self.wire.decode(operation, answer, self.url + message.method)

    def translate(self, error: Any, message: RpcMessage) -> ClientError:
        """The client's error for gRPC's."""
        trailing = error.trailing_metadata() or ()
        return refusal(
            error.code().name, error.details() or "", trailing, self.url + message.method
        )
