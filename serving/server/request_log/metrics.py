"""What became of the rankings that were to be written down, for Prometheus."""

from dataclasses import fields
from functools import partial

from prometheus_client import CollectorRegistry, Gauge

from serving.server.request_log.log import LogCounts

_PREFIX = ":gaterank:request_log:"
_TEXTS = {
    "written": "Requests in the log.",
    "dropped": "Requests that found too many waiting to be written.",
    "failed": "Requests whose file could not be written.",
    "removed": "Files that made room for newer ones.",
}


def count_requests(counts: LogCounts, collectors: CollectorRegistry) -> None:
    """Shows the counts on a page of metrics.

    Args:
        counts: of a log.
        collectors: of the page.
    """
    for field in fields(counts):
        gauge = Gauge(_PREFIX + field.name, _TEXTS[field.name], registry=collectors)
        gauge.set_function(partial(getattr, counts, field.name))
