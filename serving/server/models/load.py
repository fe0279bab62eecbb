"""Loads a version and warms it, before any request can reach it."""

import time
from pathlib import Path

from serving.server.batching.model import BatchingModel
from serving.server.batching.scheduler import BatchScheduler
from serving.server.metrics import Metrics
from serving.server.models.registry import ClosableModel
from serving.server.models.saved_model import SavedModel
from serving.server.models.warm_up import warm_up
from serving.server.status import Code, ServingError


def load_model(
    name: str,
    version: int,
    path: Path,
    scheduler: BatchScheduler | None = None,
    metrics: Metrics | None = None,
) -> ClosableModel:
    """Loads a SavedModel and sends it its first requests.

    Args:
        name: under which it will be served.
        version: its version.
        path: its folder.
        scheduler: joins its requests; None computes each alone.
        metrics: is told of recorded requests.

    Raises:
        ServingError: if it cannot be loaded or fails a recorded warm-up request.
    """
    model = SavedModel(name, version, path)
    try:
        _warm_up(model, path, metrics)
    except BaseException:
        model.close()
        raise
    return model if scheduler is None else BatchingModel(model, scheduler)


def _warm_up(model: SavedModel, path: Path, metrics: Metrics | None) -> None:
    start, code, records = time.perf_counter(), Code.OK, None
    try:
        records = warm_up(model, path)
    except ServingError as error:
        code, records = error.code, 0
        raise
    finally:
        if metrics is not None and records is not None:
            metrics.record_warm_up(path, code, records, time.perf_counter() - start)
