"""The REST API as an ASGI application: bodies in and out, within bounds."""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from serving.server.documents.answers import dump_error
from serving.server.metrics import Metrics
from serving.server.options import ServerOptions
from serving.server.rest.api import JSON, Answer, RestApi
from serving.server.rest.html import html_error
from serving.server.rest.protocol import TARGET
from serving.server.status import HTTP_STATUS, ServingError
from serving.server.workers import Workers

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_API = re.compile(rb"(?i)/v1/.*", re.DOTALL)
_ORIGIN = re.compile(rb"https?://")
# What a path and a query may hold; anything else was never answered by the API.
_PATH = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
_QUERY = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*"
_TARGET = re.compile(_PATH + rb"(?:\?" + _QUERY + rb")?(?:#" + _QUERY + rb")?")
_AUTHORITY = re.compile(rb"(?i)^https?://[^/?#]*")
_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
_GZIP = 16 + zlib.MAX_WBITS


class _RefusedError(Exception):
    """The body was not read to its end; the answer says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, JSON, dump_error(message))


class RestApp:
    """Serves `RestApi` over ASGI.

    Args:
        api: answers requests.
        workers: the threads that it answers in.
        metrics: for their page.
        options: bounds and paths.
    """

    def __init__(
        self, api: RestApi, workers: Workers, metrics: Metrics, options: ServerOptions
    ) -> None:
        self._api = api
        self._workers = workers
        self._metrics = metrics
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            async with asyncio.timeout(self._options.body_seconds):
                body = await self._read_body(scope, receive)
            answer = await self._answer(scope, body)
        except TimeoutError:
            answer = html_error(408)
        except _RefusedError as error:
            answer = error.answer
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [
                    (b"content-type", answer.content_type.encode("ascii")),
                    (b"content-length", str(len(answer.body)).encode("ascii")),
                ],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        if scope["method"] not in _METHODS:
            return html_error(501)
        target = _AUTHORITY.sub(b"", scope["state"][TARGET], count=1)
        if _TARGET.fullmatch(target) is None:
            return html_error(400)
        path, _, query = target.partition(b"?")
        if path.decode("ascii") == self._options.metrics_path:
            return self._metrics_page(path, query)
        if _API.fullmatch(target) is None:
            return html_error(404)
        if scope["method"] == "OPTIONS":
            allowed = _ORIGIN.search(_header(scope, b"origin")) is not None
            return Answer(200 if allowed else 400, "text/html; charset=ISO-8859-1", b"")
        try:
            return await self._workers.run(self._api.answer, scope["method"], target, body)
        except ServingError as error:
            return Answer(HTTP_STATUS[error.code], JSON, dump_error(error.message))

    def _metrics_page(self, path: bytes, query: bytes) -> Answer:
        if query:
            wrong = (path + b"?" + query).decode("ascii")
            text = f"Unexpected path: {wrong}. Should be {path.decode('ascii')}"
            return Answer(400, "text/plain", text.encode("ascii"))
        return Answer(200, "text/plain", self._metrics.page())

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        limit = self._options.max_request_bytes
        announced = _header(scope, b"content-length")
        if announced.isdigit() and len(announced) < 20 and int(announced) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _RefusedError(499, "The client closed the connection.")
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body", False):
                break
        body = b"".join(parts)
        return _inflate(body, limit) if b"gzip" in _header(scope, b"content-encoding") else body


def _inflate(body: bytes, limit: int) -> bytes:
    """The body without its compression; nothing if it is broken, as TensorFlow Serving does."""
    inflater = zlib.decompressobj(_GZIP)
    try:
        text = inflater.decompress(body, limit)
    except zlib.error:
        return b""
    if inflater.unconsumed_tail:
        raise _too_large(limit)
    return text if inflater.eof else b""


def _too_large(limit: int) -> _RefusedError:
    return _RefusedError(413, f"The request must have at most {limit} bytes.")


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
