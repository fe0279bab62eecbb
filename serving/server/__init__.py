"""The embedded server of TensorFlow Serving's API.

Importing this package loads no TensorFlow; `serve` and `running_server` do.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from serving.server.batching.parameters import BatchingParameters
from serving.server.models.config import All, Latest, ModelConfig, Specific
from serving.server.options import ServerOptions

if TYPE_CHECKING:
    from serving.server.server import ModelServer

__all__ = [
    "All",
    "BatchingParameters",
    "Latest",
    "ModelConfig",
    "ServerOptions",
    "Specific",
    "running_server",
    "serve",
]


def serve(options: ServerOptions, on_ready: "Callable[[ModelServer], None] | None" = None) -> None:
    """Serves until SIGTERM or SIGINT; see `serving.server.process.serve`."""
    from serving.server import process

    process.serve(options, on_ready)


def running_server(options: ServerOptions) -> "AbstractContextManager[ModelServer]":
    """Serves while a block runs; see `serving.server.background.running_server`."""
    from serving.server import background

    return background.running_server(options)
