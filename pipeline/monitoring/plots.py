"""The pictures of the page: distances against thresholds, calibration, metrics over days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.evaluation.comparison import PRIMARY_METRIC
from pipeline.monitoring.figures import FeatureDistance, LiveTask, MonitorFigures
from pipeline.report.calibration_plots import calibration_plot
from pipeline.report.numbers import METRIC_NAMES, number
from pipeline.report.plot import Dot, Line, Plot, Tick, nice, points

_NAMES = {"candidate": "live", "baseline": "evaluation"}
_MAX_TICKS = 6


@dataclass(frozen=True)
class DistanceRow:
    """A feature's bar, in percent of the plot's width.

    Attributes:
        one: the distance.
        bar: width of the value, None where there is none.
        mark: place of the threshold.
    """

    one: FeatureDistance
    bar: float | None
    mark: float


@dataclass(frozen=True)
class DistancePlot:
    """The features of one comparison, the nearest to their threshold first.

    Attributes:
        title: what is compared.
        rows: a feature each.
        ticks: place in percent -> label.
    """

    title: str
    rows: list[DistanceRow]
    ticks: list[tuple[float, str]]


def distance_plots(distances: Sequence[FeatureDistance]) -> list[DistancePlot]:
    """One for the skew of each version, and one for drift.

    Args:
        distances: of a day.
    """
    groups: dict[tuple[str, str | None], list[FeatureDistance]] = {}
    for one in distances:
        groups.setdefault((one.kind, one.model_version), []).append(one)
    return [_distance_plot(group) for group in groups.values()]


def _distance_plot(group: Sequence[FeatureDistance]) -> DistancePlot:
    first = group[0]
    version = f", version {first.model_version}" if first.model_version else ""
    title = f"{first.kind.capitalize()}{version}: {first.now_name} against {first.before_name}"
    high = 1.08 * max(max(one.value or 0.0, one.threshold) for one in group) or 1.0
    order = sorted(group, key=lambda one: -_nearness(one))
    rows = [
        DistanceRow(
            one,
            None if one.value is None else round(100 * one.value / high, 1),
            round(100 * one.threshold / high, 1),
        )
        for one in order
    ]
    ticks = [(round(100 * value / high, 1), f"{value:g}") for value in nice(0.0, high)]
    return DistancePlot(title, rows, ticks)


def _nearness(one: FeatureDistance) -> float:
    if one.is_missing:
        return float("inf")
    return (one.value or 0.0) / one.threshold if one.threshold else float("inf")


def calibration_plots(tasks: Sequence[LiveTask]) -> list[Plot]:
    """A square chart a task and version, live and in the evaluation.

    Args:
        tasks: of a day.
    """
    plots = []
    for task in tasks:
        live = task.metrics["calibration"].live.value if task.metrics else None
        plot = calibration_plot(
            _title(task, tasks),
            f"mean prediction / mean label: live {number(live, 2)}",
            task.kind,
            {"baseline": task.training_curve, "candidate": task.curve} if task.curve else {},
            _NAMES,
        )
        if plot is not None:
            plots.append(plot)
    return plots


def history_plots(days: Sequence[MonitorFigures]) -> list[Plot]:
    """A chart a task of AUC or RMSE by day: of the version that served most.

    Args:
        days: by rising day; nothing is drawn of a single one.
    """
    names = dict.fromkeys(task.task for day in days for task in day.tasks)
    plots = []
    for name in names:
        found = {day.last_day: _of_day(day, name) for day in days}
        series = {date: task for date, task in found.items() if task is not None}
        if len(series) > 1:
            plots.append(_history_plot(name, series))
    return plots


def _of_day(day: MonitorFigures, name: str) -> LiveTask | None:
    """The task of the version that served most, if it was measured."""
    tasks = [task for task in day.tasks if task.task == name and task.metrics]
    measured = [t for t in tasks if t.metrics[PRIMARY_METRIC[t.kind]].live.value is not None]
    return max(measured, key=lambda task: task.impressions, default=None)


def _history_plot(name: str, series: Mapping[str, LiveTask]) -> Plot:
    metric = PRIMARY_METRIC[next(iter(series.values())).kind]
    ends: list[float] = []
    for task in series.values():
        one = task.metrics[metric]
        estimates = (one.live, one.training) if one.training else (one.live,)
        ends += [v for e in estimates for v in (e.value, e.lower, e.upper) if v is not None]
    last = series[max(series)]
    plot = Plot(
        f"{name}: {METRIC_NAMES[metric]}",
        f"{len(series)} days, the last at {number(last.metrics[metric].live.value)}",
        "day",
        left=44,
        right=300,
        top=10,
    )
    margin = 0.06 * (max(ends) - min(ends)) or 0.01
    y = plot.y_scale(min(ends) - margin, max(ends) + margin)
    width = plot.right - plot.left
    places = {date: plot.left + width * n / (len(series) - 1) for n, date in enumerate(series)}
    step = -(-len(series) // _MAX_TICKS)
    plot.x_ticks.extend(Tick(round(places[date], 1), date[5:]) for date in list(series)[::step])
    before = {d: t.metrics[metric].training for d, t in series.items()}
    known = [(places[d], y(e.value)) for d, e in before.items() if e and e.value is not None]
    plot.lines.append(Line("baseline", points(*zip(*known, strict=True)) if known else ""))
    live = {date: task.metrics[metric].live for date, task in series.items()}
    plot.lines.append(
        Line("candidate", points(list(places.values()), [y(e.value or 0.0) for e in live.values()]))
    )
    for date, estimate in live.items():
        at = y(estimate.value or 0.0)
        low, high = (at if end is None else y(end) for end in (estimate.lower, estimate.upper))
        title = f"{date}, version {series[date].model_version}: {number(estimate.value)}"
        plot.dots.append(Dot("candidate", places[date], at, low, high, title))
    return plot


def _title(task: LiveTask, tasks: Sequence[LiveTask]) -> str:
    versions = {one.model_version for one in tasks}
    return task.task if len(versions) == 1 else f"{task.task}, version {task.model_version}"
