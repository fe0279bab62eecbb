"""The port of the REST API: uvicorn under the server's own control."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn

from serving.server.options import ServerOptions
from serving.server.rest.app import RestApp
from serving.server.rest.protocol import TargetProtocol
from transforms.errors import InputError

_KEEP_ALIVE_SECONDS = 75


class RestListener:
    """Listens for REST requests.

    Args:
        app: answers them.
        options: where to listen, and bounds.

    Attributes:
        port: that was taken, once started.
    """

    def __init__(self, app: RestApp, options: ServerOptions) -> None:
        self.port = 0
        self._options = options
        self._server = _Server(
            uvicorn.Config(
                app,
                http=partial(TargetProtocol, head_seconds=options.body_seconds),  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                limit_concurrency=options.max_connections,
                timeout_graceful_shutdown=max(1, round(options.grace_seconds)),
                ssl_context_factory=_make_context(options),
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens.

        Raises:
            InputError: if the port is taken.
        """
        listener = _listen(self._options.host, self._options.port or 0)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Refuses new connections and waits for the running requests."""
        if self._task is not None:
            self._server.should_exit = True
            await asyncio.shield(self._task)


def _make_context(options: ServerOptions) -> Callable[..., ssl.SSLContext] | None:
    tls = options.tls if options.rest_tls else None
    return None if tls is None else lambda *_: tls.context()


class _Server(uvicorn.Server):
    """Leaves the process' signals to `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = infos[0]
        # asyncio sends without delay only on sockets whose protocol was said to be TCP.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener
