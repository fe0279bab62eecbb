"""Whether the server should get requests."""

from serving.server.models.manager import ModelManager


class Health:
    """What the server says to those who ask whether it is ready.

    Args:
        models: the loaded models.

    Attributes:
        is_draining: whether the server is about to stop.
    """

    def __init__(self, models: ModelManager) -> None:
        self._models = models
        self.is_draining = False

    def explain(self) -> str:
        """Why the server is not ready; empty if it is."""
        if self.is_draining:
            return "the server is about to stop"
        missing = self._models.missing()
        return f"no version is available of: {', '.join(missing)}" if missing else ""
