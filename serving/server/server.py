"""The embedded server: models, REST and gRPC under one roof."""

import asyncio
from pathlib import Path

from serving.server.batching.metrics import BatchingMetrics
from serving.server.batching.scheduler import BatchScheduler
from serving.server.health import Health
from serving.server.metrics import Metrics
from serving.server.models.config import refuse_reload
from serving.server.models.config_watch import ConfigWatcher
from serving.server.models.load import load_model
from serving.server.models.manager import ModelManager
from serving.server.models.registry import ClosableModel
from serving.server.options import ServerOptions
from serving.server.request_log.log import RequestLog
from serving.server.request_log.metrics import count_requests
from serving.server.rest.api import RestApi
from serving.server.rest.app import RestApp
from serving.server.rest.listener import RestListener
from serving.server.rest.pages import Pages
from serving.server.rpc.health import RpcHealth
from serving.server.rpc.listener import RpcListener
from serving.server.rpc.services import Services
from serving.server.settings.model_configs import read_config_file
from serving.server.workers import Workers


class ModelServer:
    """Serves models over REST and gRPC, as TensorFlow Serving does.

    Args:
        options: what to serve, where, and within which bounds.

    Attributes:
        port: of REST, once started; None if there is none.
        grpc_port: of gRPC, once started; None if there is none.
        models: the loaded models.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.port = options.port
        self.grpc_port = options.grpc_port
        self.models = ModelManager(
            self._load, options.poll_seconds, options.allow_labels_for_unavailable
        )
        self._metrics = Metrics(self.models.registry)
        self._batches: BatchScheduler | None = None
        self._health = Health(self.models)
        self._rpc_health = RpcHealth(self._health)
        self._workers = Workers(options.worker_threads(), options.max_waiting)
        self._log: RequestLog | None = None
        self._listeners: list[RestListener | RpcListener] = []
        self._watcher: ConfigWatcher | None = None

    async def start(self) -> None:
        """Loads the models, then listens.

        Raises:
            InputError: if a model cannot be loaded or a port is taken.
        """
        loop = asyncio.get_running_loop()
        if self.options.batching is not None:
            metrics = BatchingMetrics(self._metrics.collectors)
            self._batches = BatchScheduler(self.options.batching, metrics)
        if self.options.request_log is not None:
            self._log = RequestLog(self.options.request_log)
            count_requests(self._log.counts, self._metrics.collectors)
            self._log.start()
        try:
            await loop.run_in_executor(None, self.models.start, self.options.configs())
            await self._start_grpc()
            await self._start_rest()
        except BaseException:
            await self.stop()
            raise
        self._watch_config()

    def drain(self) -> None:
        """Says that the server is not ready any more; requests are still answered."""
        self._health.is_draining = True

    async def stop(self) -> None:
        """Refuses new requests, waits for running ones, frees the models."""
        self.drain()
        self._rpc_health.stop()
        loop = asyncio.get_running_loop()
        if self._watcher is not None:
            await loop.run_in_executor(None, self._watcher.stop)
        if self._batches is not None:
            # Fewer and fewer requests come, and none should wait for another.
            await loop.run_in_executor(None, self._batches.stop)
        await asyncio.gather(*(listener.stop() for listener in self._listeners))
        await loop.run_in_executor(None, self._workers.stop)
        if self._log is not None:
            await loop.run_in_executor(None, self._log.stop)
        await loop.run_in_executor(None, self.models.stop)

    def _load(self, name: str, version: int, path: Path) -> ClosableModel:
        keys = self.options.verify_keys
        return load_model(name, version, path, self._batches, self._metrics, keys)

    async def _start_grpc(self) -> None:
        if self.options.grpc_port is None:
            return
        listener = RpcListener(self.options)
        reload = None if self.options.reload_requests else refuse_reload
        services = Services(self.models, self._workers, self._metrics, self._log, reload)
        handlers = [self._rpc_health.handler(), *services.handlers()]
        listener.server.add_generic_rpc_handlers(handlers)
        await listener.start()
        self._listeners.append(listener)
        self.grpc_port = listener.port

    async def _start_rest(self) -> None:
        if self.options.port is None:
            return
        api = RestApi(self.models, self._metrics, self._log)
        pages = Pages(self._metrics, self.options.metrics_path, self._health)
        app = RestApp(api, self._workers, pages, self._health, self.options)
        listener = RestListener(app, self.options)
        await listener.start()
        self._listeners.append(listener)
        self.port = listener.port

    def _watch_config(self) -> None:
        options = self.options
        if options.config_file is not None and options.config_poll_seconds > 0:
            self._watcher = ConfigWatcher(
                options.config_file,
                options.models,
                options.config_poll_seconds,
                read_config_file,
                self.models.reload,
            )
            self._watcher.start()
