"""Operations over HTTP, in threads and in event loops, with the client's own errors."""

import asyncio
import ssl
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from serving.client.errors import (
    ClientError,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    ResponseError,
    TransportError,
)
from serving.client.operations import Operation
from serving.client.options import Timeout, Tls
from serving.client.rest.wire import RestWire, refusal
from serving.client.target import Target
from transforms.errors import ConfigError

T = TypeVar("T")
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError)
# To compress takes a server longer than to send, and what is not can't be a bomb.
_HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}


class RestTransport:
    """Sends operations over a pool of connections that threads share.

    Args:
        target: the server and the model.
        http: what sends the requests of httpx; None for the network.
    """

    def __init__(self, target: Target, http: httpx.BaseTransport | None = None) -> None:
        self._base = _Base(target)
        self._client = httpx.Client(transport=http, **self._base.options())

    def send(self, operation: Operation[T], timeout: float | None) -> T:
        """Asks the server; see `Transport.send`."""
        call = _Call(self._base, operation, timeout)
        with call.errors(), self._client.stream(**call.request()) as response:
            for part in response.iter_bytes():
                call.add(part)
            answer: T = call.read(response)
        return answer

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


class AsyncRestTransport:
    """Sends operations over a pool of connections that the tasks of an event loop share.

    Args:
        target: the server and the model.
        http: what sends the requests of httpx; None for the network.
    """

    def __init__(self, target: Target, http: httpx.AsyncBaseTransport | None = None) -> None:
        self._base = _Base(target)
        self._client = httpx.AsyncClient(transport=http, **self._base.options())

    async def asend(self, operation: Operation[T], timeout: float | None) -> T:
        """Asks the server; see `Transport.send`."""
        call = _Call(self._base, operation, timeout)
        with call.errors():
            async with (
                asyncio.timeout(timeout),
                self._client.stream(**call.request()) as response,
            ):
                async for part in response.aiter_bytes():
                    call.add(part)
                answer: T = call.read(response)
        return answer

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


class _Base:
    """What the calls of a transport share."""

    def __init__(self, target: Target) -> None:
        self.url = target.url.rstrip("/")
        self.wire = RestWire(target.model)
        self.timeout = target.timeout
        self.limits = target.limits
        self._tls = target.tls if target.is_encrypted else None

    def options(self) -> dict[str, Any]:
        """Of httpx's clients."""
        limits = httpx.Limits(
            max_connections=self.limits.max_connections,
            max_keepalive_connections=self.limits.max_keepalive_connections,
            keepalive_expiry=self.limits.keepalive_expiry,
        )
        options: dict[str, Any] = {"limits": limits, "headers": _HEADERS, "trust_env": False}
        return options if self._tls is None else {**options, "verify": _make_context(self._tls)}


class _Call:
    """One operation's request, errors and answer."""

    def __init__(self, base: _Base, operation: Operation[Any], timeout: float | None) -> None:
        self._base = base
        self._operation = operation
        self._message = base.wire.encode(operation)
        self._timeouts = _Timeouts(base.timeout, timeout)
        self._url = base.url + self._message.path
        self._body = bytearray()

    def request(self) -> dict[str, Any]:
        """What httpx sends."""
        return {
            "method": self._message.method,
            "url": self._url,
            "content": self._message.body,
            "extensions": {"timeout": self._timeouts},
        }

    def add(self, part: bytes) -> None:
        """Takes the next part of the answer."""
        self._body += part
        if len(self._body) > self._base.limits.max_response_bytes:
            limit = self._base.limits.max_response_bytes
            raise ResponseError(f"the answer must have at most {limit} bytes", self._url)
        if self._timeouts.are_over():
            raise RequestTimeoutError("the answer did not end in time", self._url)

    def read(self, response: httpx.Response) -> Any:
        """What the whole answer says."""
        body = bytes(self._body)
        if response.is_success:
            return self._base.wire.decode(self._operation, body, self._url)
        raise refusal(response.status_code, response.headers, body, self._url)

    @contextmanager
    def errors(self) -> Generator[None]:
        """Turns errors of httpx into the client's."""
        try:
            yield
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._translate(error) from None

    def _translate(self, error: Exception) -> ClientError:
        match error:
            case httpx.ConnectTimeout():
                return ConnectError("no server answered in time", self._url)
            case httpx.PoolTimeout():
                return RequestTimeoutError("no connection of the pool was free", self._url)
            case httpx.TimeoutException() | TimeoutError():
                return RequestTimeoutError("the server did not answer in time", self._url)
            case httpx.ConnectError():
                return ConnectError(f"no server answers: {error}", self._url)
            case httpx.DecodingError():
                return ResponseError(f"the answer is packed wrongly: {error}", self._url)
        kind = ConnectionLostError if isinstance(error, _LOST) else TransportError
        return kind(f"{type(error).__name__}: {error}", self._url)


class _Timeouts(dict[str, float | None]):
    """Seconds for each phase of a request, never more than are left of the attempt.

    httpcore looks a phase up when it begins.
    """

    def __init__(self, timeout: Timeout, total: float | None) -> None:
        super().__init__(
            connect=timeout.connect, read=timeout.read, write=timeout.write, pool=timeout.pool
        )
        self._end = None if total is None else time.monotonic() + total

    def get(self, phase: str, default: Any = None) -> float | None:
        """Seconds for a phase that begins now."""
        seconds = super().get(phase)
        if self._end is None:
            return seconds
        left = max(0.001, self._end - time.monotonic())
        return left if seconds is None else min(seconds, left)

    def are_over(self) -> bool:
        """Whether nothing is left of the attempt."""
        return self._end is not None and time.monotonic() > self._end


def _make_context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
    except ssl.SSLError as error:
        raise ConfigError(f"`tls` must name PEM files: {error}. Received: {tls}") from None
    return context
