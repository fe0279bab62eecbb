"""Requests and answers over HTTP, with the client's own errors."""

from typing import Any

import httpx

from serving.client.bodies import load
from serving.client.config import Limits, Timeout
from serving.client.errors import (
    ConnectError,
    RequestTimeoutError,
    ResponseError,
    StatusError,
    TransportError,
)
from transforms.errors import ConfigError


class Transport:
    """Sends JSON to a server and gets JSON back.

    Args:
        url: of the server.
        timeout: how long to wait.
        limits: of the connection pool and of an answer.
        transport: of httpx; None for the network.

    Raises:
        ConfigError: if the URL is no http or https URL.
    """

    def __init__(
        self,
        url: str,
        timeout: Timeout,
        limits: Limits,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.url = url.rstrip("/")
        self._max_bytes = limits.max_response_bytes
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"the server's URL is broken: {error}. Received: {url!r}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigError(f"the server's URL must be http(s)://host:port. Received: {url!r}")
        self._client = httpx.Client(
            base_url=parsed,
            timeout=timeout.to_httpx(),
            limits=limits.to_httpx(),
            transport=transport,
        )

    def send(self, method: str, path: str, body: bytes | None) -> Any:
        """Sends a request and parses the answer.

        Raises:
            ClientError: if there is no answer, or it is a refusal or no JSON.
        """
        url = self.url + path
        try:
            with self._client.stream(method, path, content=body) as response:
                text = self._read(response, url)
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout):
                raise ConnectError("no server answered in time", url) from None
            raise RequestTimeoutError("the server did not answer in time", url) from None
        except httpx.ConnectError as error:
            raise ConnectError(f"no server answers: {error}", url) from None
        except httpx.HTTPError as error:
            raise TransportError(f"{type(error).__name__}: {error}", url) from None
        if response.is_success:
            return _parse(text, url)
        raise StatusError(_refusal(text), url, response.status_code)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _read(self, response: httpx.Response, url: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self._max_bytes:
                message = f"the answer must have at most {self._max_bytes} bytes"
                raise ResponseError(message, url)
            parts.append(part)
        return b"".join(parts)


def _parse(text: bytes, url: str) -> Any:
    try:
        return load(text)
    except (ValueError, RecursionError):
        raise ResponseError(f"the answer must be JSON. Received: {text[:80]!r}", url) from None


def _refusal(text: bytes) -> str:
    """The server's message, or the start of whatever it sent."""
    try:
        return str(load(text)["error"])
    except (LookupError, TypeError, ValueError, RecursionError):
        words = text[:200].decode("utf-8", "replace").split()
        return " ".join(words) or "no message"
