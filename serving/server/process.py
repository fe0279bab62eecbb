"""The server as a process: it says when it is ready, and ends on a signal."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable

import uvloop

from serving.server.options import ServerOptions
from serving.server.server import ModelServer

_TURN_SECONDS = 0.0005

_logger = logging.getLogger(__name__)


def serve(options: ServerOptions, on_ready: Callable[[ModelServer], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the running requests.

    A second signal ends `drain_seconds` early.

    Args:
        options: what to serve, where, and within which bounds.
        on_ready: called once requests are answered; by default one line is printed.

    Raises:
        InputError: if a model cannot be loaded or a port is taken.
    """
    # While a new version is loaded, Python code of the loader runs beside the requests:
    # short turns keep them from waiting for it.
    sys.setswitchinterval(_TURN_SECONDS)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, on_ready or _announce))


async def _serve(options: ServerOptions, on_ready: Callable[[ModelServer], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = ModelServer(options)
    await server.start()
    on_ready(server)
    await stopping.wait()
    _logger.info("draining")
    stopping.clear()
    server.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), options.drain_seconds)
    _logger.info("stopping")
    await server.stop()


def _announce(server: ModelServer) -> None:
    names = ", ".join(sorted(server.models.registry.names()))
    options = server.options
    scheme = "http" if options.tls is None or not options.rest_tls else "https"
    secure = "" if options.tls is None else " with TLS"
    ports = {
        f"REST on {scheme}://{options.host}:{server.port}/v1/models/": server.port,
        f"gRPC on {options.host}:{server.grpc_port}{secure}": server.grpc_port,
    }
    places = ", ".join(place for place, port in ports.items() if port is not None)
    sys.stdout.write(f"Serving {names}: {places}\n")
    sys.stdout.flush()
