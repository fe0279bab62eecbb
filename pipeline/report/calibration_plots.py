"""Calibration plots: what happened against what was predicted, both models, a chart a task."""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.figures import CalibrationBin, Figures, TaskFigures
from pipeline.report.numbers import number
from pipeline.report.plot import Dot, Line, Plot, points
from trainer.config import ROLES
from transforms.tasks import TaskKind


def calibration_plots(figures: Figures, tasks: tuple[str, ...]) -> list[Plot]:
    """One square chart a task; a perfect model's dots lie on the diagonal.

    Args:
        figures: of the evaluation.
        tasks: in the order of the charts.
    """
    known = (task for task in tasks if task in figures.tasks)
    plots = (_plot(task, figures.tasks[task]) for task in known)
    return [plot for plot in plots if plot is not None]


def _plot(task: str, figures: TaskFigures) -> Plot | None:
    calibration = figures.metrics["calibration"]
    return calibration_plot(
        task,
        f"mean prediction / mean label: candidate {number(calibration.candidate.value, 2)}, "
        f"baseline {number(calibration.baseline.value, 2)}",
        figures.kind,
        # The candidate on top.
        {model: figures.calibration.get(model, ()) for model in reversed(ROLES)},
        {model: model for model in ROLES},
    )


def calibration_plot(
    title: str,
    description: str,
    kind: TaskKind,
    curves: Mapping[str, Sequence[CalibrationBin]],
    names: Mapping[str, str],
) -> Plot | None:
    """One square chart.

    Args:
        title: of the chart.
        description: in a sentence.
        kind: of the task; a share begins at 0.
        curves: class of the line, `candidate` or `baseline`, -> its bins; the last is on top.
        names: class of the line -> what it is called.

    Returns:
        None without bins.
    """
    bins = [one for curve in curves.values() for one in curve]
    if not bins:
        return None
    high = max(max(one.mean_prediction, one.mean_label) for one in bins)
    low = min(min(one.mean_prediction, one.mean_label) for one in bins)
    low = 0.0 if kind == "classification" else low
    margin = 0.08 * (high - low) or 0.1
    high, low = high + margin, low - margin if low else 0.0
    plot = Plot(
        title,
        description,
        "mean prediction",
        width=240,
        height=230,
        left=40,
        right=228,
        top=10,
        bottom=196,
    )
    x, y = plot.x_scale(low, high), plot.y_scale(low, high)
    plot.lines.append(Line("diagonal", points([x(low), x(high)], [y(low), y(high)])))
    for css, curve in curves.items():
        across = [x(one.mean_prediction) for one in curve]
        plot.lines.append(Line(css, points(across, [y(one.mean_label) for one in curve])))
        for one, at in zip(curve, across, strict=True):
            lower, upper = y(max(one.lower, low)), y(min(one.upper, high))
            title = (
                f"{names[css]}: predicted {one.mean_prediction:.4g}, happened "
                f"{one.mean_label:.4g}, {one.examples} examples"
            )
            plot.dots.append(Dot(css, at, y(one.mean_label), lower, upper, title))
    return plot
