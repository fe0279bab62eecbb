"""What was found, as Prometheus reads it: a text file, or a push to a gateway."""

from collections import Counter
from datetime import datetime
from urllib.error import URLError

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import push_to_gateway

from pipeline.monitoring.figures import ALARM_KINDS, MonitorFigures
from transforms.errors import InputError
from transforms.spans.days import DAY, parse_span

_PREFIX = ":gaterank:monitor:"
_SECONDS = 10.0
_TEXTS = {
    "alarms": ("Alarms of the last day watched.", ("kind",)),
    "rows": ("Impressions of the request log, by what became of them.", ("outcome",)),
    "impressions": ("Impressions that a version served.", ("model_version",)),
    "distance": ("L-infinity or Jensen-Shannon.", ("comparison", "model_version", "feature")),
    "threshold": ("Of the distance.", ("comparison", "model_version", "feature")),
    "missing": ("Share of served impressions without it.", ("feature",)),
    "labels": ("Labels of live predictions.", ("model_version", "task", "state")),
    "metric": ("Of live predictions.", ("model_version", "task", "metric")),
    "metric_lower": ("Lower end of its 95% interval.", ("model_version", "task", "metric")),
    "metric_upper": ("Upper end of its 95% interval.", ("model_version", "task", "metric")),
    "metric_in_training": (
        "The same in the run's evaluation.",
        ("model_version", "task", "metric"),
    ),
    "day_end_seconds": ("When the last day watched was over, since 1970.", ()),
    "run_seconds": ("When it was looked at, since 1970.", ()),
}


class _Gauges:
    """A registry with all gauges; each has the ranker's name as a label."""

    def __init__(self, ranker: str) -> None:
        self.registry = CollectorRegistry()
        self._ranker = ranker
        self._gauges = {
            name: Gauge(_PREFIX + name, text, ("ranker", *labels), registry=self.registry)
            for name, (text, labels) in _TEXTS.items()
        }

    def set(self, name: str, value: float | None, *labels: str | None) -> None:
        """Sets a gauge; what is not defined is not there."""
        if value is not None:
            words = (label or "" for label in labels)
            self._gauges[name].labels(self._ranker, *words).set(value)


def monitor_registry(figures: MonitorFigures) -> CollectorRegistry:
    """All figures that are worth a line over time.

    Args:
        figures: of a day.
    """
    gauges = _Gauges(figures.ranker)
    alarms = Counter(alarm.kind for alarm in figures.alarms)
    for kind in ALARM_KINDS:
        gauges.set("alarms", alarms[kind], kind)
    rows = dict(figures.counts.impressions)
    del rows["read"]
    for outcome, count in rows.items():
        gauges.set("rows", count, outcome)
    for version, served in figures.versions.items():
        gauges.set("impressions", served.impressions, version)
    for one in figures.distances:
        about = one.kind, one.model_version, one.feature
        gauges.set("distance", one.value, *about)
        gauges.set("threshold", one.threshold, *about)
        gauges.set("missing", one.missing_now, one.feature)
    _set_tasks(gauges, figures)
    gauges.set("day_end_seconds", (parse_span(figures.last_day) + 1) * DAY / 1000)
    gauges.set("run_seconds", datetime.fromisoformat(figures.created).timestamp())
    return gauges.registry


def _set_tasks(gauges: _Gauges, figures: MonitorFigures) -> None:
    for task in figures.tasks:
        about = task.model_version, task.task
        for state in ("examples", "waiting", "not_first"):
            gauges.set("labels", getattr(task, state), *about, state)
        for metric, one in task.metrics.items():
            gauges.set("metric", one.live.value, *about, metric)
            gauges.set("metric_lower", one.live.lower, *about, metric)
            gauges.set("metric_upper", one.live.upper, *about, metric)
            before = one.training.value if one.training else None
            gauges.set("metric_in_training", before, *about, metric)


def metrics_text(registry: CollectorRegistry) -> bytes:
    """In Prometheus' text format, as node_exporter's textfile collector reads it."""
    text: bytes = generate_latest(registry)
    return text


def push_metrics(registry: CollectorRegistry, url: str, ranker: str) -> None:
    """Puts the metrics in the place of the ranker's last ones at a Pushgateway.

    Args:
        registry: of a day.
        url: of the gateway, from http on.
        ranker: whose metrics they are.

    Raises:
        InputError: if it cannot be reached or refuses them.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"--pushgateway: must be a URL, from http on. Received: {url!r}")
    try:
        push_to_gateway(
            url, "gaterank_monitor", registry, grouping_key={"ranker": ranker}, timeout=_SECONDS
        )
    except (URLError, OSError) as error:
        raise InputError(f"--pushgateway {url}: cannot be reached: {error}") from None
