"""Uvicorn's HTTP protocol, with the request's target kept as it was sent."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TARGET = "target"
"""Key of the target in the ASGI scope's `state`."""


class TargetProtocol(HttpToolsProtocol):
    """Hands the application the path and query byte for byte.

    ASGI splits and decodes them, and then `/v1/models/a?` cannot be told from
    `/v1/models/a`, of which TensorFlow Serving refuses the first.
    """

    def on_url(self, url: bytes) -> None:
        """Called with each part of the target."""
        super().on_url(url)
        self.scope["state"][TARGET] = self.url
