"""The pages beside the API: metrics and health."""

from serving.server.health import Health
from serving.server.metrics import Metrics
from serving.server.rest.api import Answer

_PLAIN = "text/plain"


class Pages:
    """Answers those who watch the server.

    Args:
        metrics: for Prometheus.
        metrics_path: where they are; None for nowhere.
        health: for load balancers.
    """

    def __init__(self, metrics: Metrics, metrics_path: str | None, health: Health) -> None:
        self._metrics = metrics
        self._metrics_path = metrics_path
        self._health = health

    def find(self, method: str, path: str, query: bytes) -> Answer | None:
        """The page of a path; None if it is none of them."""
        if path == self._metrics_path:
            return self._show_metrics(path, query)
        if method in ("GET", "HEAD"):
            match path:
                case "/healthz":
                    return Answer(200, _PLAIN, b"ok\n")
                case "/readyz":
                    return self._show_readiness()
        return None

    def _show_metrics(self, path: str, query: bytes) -> Answer:
        if query:
            text = f"Unexpected path: {path}?{query.decode('ascii')}. Should be {path}"
            return Answer(400, _PLAIN, text.encode("ascii"))
        return Answer(200, _PLAIN, self._metrics.page())

    def _show_readiness(self) -> Answer:
        reason = self._health.explain()
        if reason:
            return Answer(503, _PLAIN, f"not ready: {reason}\n".encode())
        return Answer(200, _PLAIN, b"ok\n")
