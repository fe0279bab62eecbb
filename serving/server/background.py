"""The server inside another program: in a thread, for as long as a `with` block runs."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from serving.server.options import ServerOptions
from serving.server.server import ModelServer


@contextmanager
def running_server(options: ServerOptions) -> Iterator[ModelServer]:
    """Serves models while the block runs.

    Args:
        options: what to serve; `port=0` and `grpc_port=0` take free ports.

    Yields:
        The started server, with its ports.

    Raises:
        InputError: if a model cannot be loaded or a port is taken.
    """
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="model-server", daemon=True)
    thread.start()
    try:
        # gRPC's asyncio server belongs to the loop that runs while it is made.
        server = asyncio.run_coroutine_threadsafe(_start(options), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(options: ServerOptions) -> ModelServer:
    server = ModelServer(options)
    await server.start()
    return server
