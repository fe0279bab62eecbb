"""Checks a version, loads and warms it, before any request can reach it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.manifest.check import SignatureError, check_model, check_unchanged
from serving.manifest.keys import VerifyKeys
from serving.server.batching.model import BatchingModel
from serving.server.batching.scheduler import BatchScheduler
from serving.server.metrics import Metrics
from serving.server.models.registry import ClosableModel
from serving.server.models.saved_model import SavedModel
from serving.server.models.warm_up import warm_up
from serving.server.status import Code, ServingError
from transforms.errors import InputError


def load_model(
    name: str,
    version: int,
    path: Path,
    scheduler: BatchScheduler | None = None,
    metrics: Metrics | None = None,
    keys: VerifyKeys | None = None,
) -> ClosableModel:
    """Loads a SavedModel and sends it its first requests.

    Args:
        name: under which it will be served.
        version: its version.
        path: its folder.
        scheduler: joins its requests; None computes each alone.
        metrics: is told of the load, and of recorded requests.
        keys: one of them must have signed its manifest; None takes any model.

    Raises:
        ServingError: if its files are not those of its manifest, it cannot be loaded, or fails a
            recorded warm-up request.
    """
    code = Code.UNKNOWN
    try:
        model = _load_checked(name, version, path, metrics, keys)
        code = Code.OK
    except ServingError as error:
        code = error.code
        raise
    finally:
        if metrics is not None:
            metrics.record_load(name, code)
    return model if scheduler is None else BatchingModel(model, scheduler)


def _load_checked(
    name: str, version: int, path: Path, metrics: Metrics | None, keys: VerifyKeys | None
) -> SavedModel:
    with _refusals():
        stamp = check_model(path, keys)
    model = SavedModel(name, version, path)
    try:
        _warm_up(model, path, metrics)
        with _refusals():
            check_unchanged(path, stamp)
    except BaseException:
        model.close()
        raise
    return model


@contextmanager
def _refusals() -> Iterator[None]:
    """Tells what the manifest says as a server tells why a version cannot be loaded."""
    try:
        yield
    except SignatureError as error:
        raise ServingError(Code.PERMISSION_DENIED, str(error)) from None
    except InputError as error:
        raise ServingError(Code.DATA_LOSS, str(error)) from None


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
