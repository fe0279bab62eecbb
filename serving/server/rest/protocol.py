"""Uvicorn's HTTP protocol: the request's target as it was sent, and an end to slow headers."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TARGET = "target"
"""Key of the target in the ASGI scope's `state`."""


class TargetProtocol(HttpToolsProtocol):
    """Hands the application the path and query byte for byte.

    ASGI splits and decodes them, and then `/v1/models/a?` cannot be told from
    `/v1/models/a`, of which TensorFlow Serving refuses the first.

    Uvicorn waits for ever for the end of a request's headers. Whoever opens connections and sends
    no more than half of them would so take all places, and the probes' too.

    Args:
        head_seconds: how long a client may take from the connection, or from the first byte of a
            further request, to the end of the headers.
        uvicorn: its own arguments.
    """

    def __init__(self, *, head_seconds: float, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when a client has connected."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when a connection has ended."""
        self._end_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Called with the first byte of a request."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Called with the last byte of a request's headers."""
        self._end_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._head_seconds, self.transport.abort)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_url(self, url: bytes) -> None:
        """Called with each part of the target."""
        super().on_url(url)
        self.scope["state"][TARGET] = self.url
