"""The REST API as an ASGI application: bodies in and out, within bounds."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from serving.server.documents.answers import dump_error
from serving.server.health import Health
from serving.server.options import ServerOptions
from serving.server.rest.api import JSON, Answer, RestApi
from serving.server.rest.compression import TooLargeError, accepts_gzip, deflate, inflate
from serving.server.rest.html import html_error
from serving.server.rest.pages import Pages
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
        pages: for those who watch the server.
        health: says when clients should go elsewhere.
        options: bounds.
    """

    def __init__(
        self,
        api: RestApi,
        workers: Workers,
        pages: Pages,
        health: Health,
        options: ServerOptions,
    ) -> None:
        self._api = api
        self._workers = workers
        self._pages = pages
        self._health = health
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
        headers = [
            (b"content-type", answer.content_type.encode("ascii")),
            (b"content-length", str(len(answer.body)).encode("ascii")),
        ]
        if answer.encoding:
            headers.append((b"content-encoding", answer.encoding.encode("ascii")))
        if self._health.is_draining:
            # The client's next request then goes to another server.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        method = scope["method"]
        if method not in _METHODS:
            return html_error(501)
        target = _AUTHORITY.sub(b"", scope["state"][TARGET], count=1)
        if _TARGET.fullmatch(target) is None:
            return html_error(400)
        path, _, query = target.partition(b"?")
        page = self._pages.find(method, path.decode("ascii"), query)
        if page is not None:
            return page
        if _API.fullmatch(target) is None:
            return html_error(404)
        if method == "OPTIONS":
            allowed = _ORIGIN.search(_header(scope, b"origin")) is not None
            return Answer(200 if allowed else 400, "text/html; charset=ISO-8859-1", b"")
        zips = accepts_gzip(_header(scope, b"accept-encoding"))
        try:
            return await self._workers.run(self._work, method, target, body, zips)
        except ServingError as error:
            return Answer(HTTP_STATUS[error.code], JSON, dump_error(error.message))

    def _work(self, method: str, target: bytes, body: bytes, zips: bool) -> Answer:
        answer = self._api.answer(method, target, body)
        least = self._options.gzip_bytes
        if not zips or least is None or len(answer.body) < least:
            return answer
        return replace(answer, body=deflate(answer.body), encoding="gzip")

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
        if b"gzip" not in _header(scope, b"content-encoding"):
            return body
        try:
            return inflate(body, limit)
        except TooLargeError:
            raise _too_large(limit) from None


def _too_large(limit: int) -> _RefusedError:
    return _RefusedError(413, f"The request must have at most {limit} bytes.")


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
