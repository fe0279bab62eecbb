"""The embedded server: models, REST and gRPC under one roof."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import grpc
import uvicorn
import uvloop

from serving.server.metrics import Metrics
from serving.server.models.load import load_model
from serving.server.models.manager import ModelManager
from serving.server.options import ServerOptions
from serving.server.rest.api import RestApi
from serving.server.rest.app import RestApp
from serving.server.rest.protocol import TargetProtocol
from serving.server.rpc.services import Services
from serving.server.workers import Workers
from transforms.errors import InputError

_KEEP_ALIVE_SECONDS = 75
_TURN_SECONDS = 0.0005

_logger = logging.getLogger(__name__)


class ModelServer:
    """Serves models over REST and gRPC, as TensorFlow Serving does.

    Args:
        options: what to serve, where, and within which bounds.

    Attributes:
        port: of REST, once started.
        grpc_port: of gRPC, once started; None if there is none.
        models: the loaded models.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.port = options.port
        self.grpc_port = options.grpc_port
        self.models = ModelManager(
            load_model, options.poll_seconds, options.allow_labels_for_unavailable
        )
        self._metrics = Metrics(self.models.registry)
        self._workers = Workers(options.threads, options.max_waiting)
        self._rest: _RestServer | None = None
        self._rest_task: asyncio.Task[None] | None = None
        self._grpc: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Loads the models, then listens.

        Raises:
            InputError: if a model cannot be loaded or a port is taken.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.models.start, self.options.configs())
        try:
            await self._start_grpc()
            await self._start_rest()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Refuses new requests, waits for running ones, frees the models."""
        stops = []
        if self._rest is not None and self._rest_task is not None:
            self._rest.should_exit = True
            stops.append(asyncio.shield(self._rest_task))
        if self._grpc is not None:
            stops.append(self._grpc.stop(self.options.grace_seconds))
        await asyncio.gather(*stops)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._workers.stop)
        await loop.run_in_executor(None, self.models.stop)

    async def _start_grpc(self) -> None:
        if self.options.grpc_port is None:
            return
        limit = self.options.max_request_bytes
        self._grpc = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limit),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ]
        )
        services = Services(self.models, self._workers, self._metrics)
        self._grpc.add_generic_rpc_handlers(services.handlers())
        address = f"{self.options.host}:{self.options.grpc_port}"
        try:
            self.grpc_port = self._grpc.add_insecure_port(address)
        except RuntimeError:
            reason = "the port is taken, or no address of this machine"
            raise InputError(f"cannot listen on {address}: {reason}") from None
        await self._grpc.start()

    async def _start_rest(self) -> None:
        options = self.options
        listener = _listen(options.host, options.port)
        self.port = listener.getsockname()[1]
        api = RestApi(self.models, self._metrics)
        config = uvicorn.Config(
            RestApp(api, self._workers, self._metrics, options),
            http=TargetProtocol,
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
        )
        self._rest = _RestServer(config)
        self._rest_task = asyncio.create_task(self._rest.serve(sockets=[listener]))
        while not self._rest.started and not self._rest_task.done():
            await asyncio.sleep(0.005)
        if self._rest_task.done():
            self._rest_task.result()


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


class _RestServer(uvicorn.Server):
    """Leaves the process' signals to `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(options: ServerOptions, on_ready: Callable[[ModelServer], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the running requests.

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
    _logger.info("stopping")
    await server.stop()


def _announce(server: ModelServer) -> None:
    names = ", ".join(sorted(server.models.registry.names()))
    rpc = "" if server.grpc_port is None else f", gRPC on {server.options.host}:{server.grpc_port}"
    address = f"http://{server.options.host}:{server.port}/v1/models/"
    sys.stdout.write(f"Serving {names}: REST on {address}{rpc}\n")
    sys.stdout.flush()
