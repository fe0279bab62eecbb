"""Loads a version and warms it, before any request can reach it."""

from pathlib import Path

from serving.server.models.saved_model import SavedModel
from serving.server.models.warm_up import warm_up


def load_model(name: str, version: int, path: Path) -> SavedModel:
    """Loads a SavedModel and sends it its first requests.

    Args:
        name: under which it will be served.
        version: its version.
        path: its folder.

    Raises:
        ServingError: if it cannot be loaded or fails a recorded warm-up request.
    """
    model = SavedModel(name, version, path)
    try:
        warm_up(model, path)
    except BaseException:
        model.close()
        raise
    return model
