"""Training curves: the loss, and what validation said of each task."""

from collections.abc import Mapping

from pipeline.report.inputs import TrainingRecord
from pipeline.report.numbers import number
from pipeline.report.plot import Dot, Line, Plot, points
from trainer.config import ROLES, Role

Records = Mapping[Role, TrainingRecord | None]
Series = dict[str, tuple[list[float], list[float]]]  # line's class -> epochs, values
_SUFFIXES = {"auc": "AUC", "rmse": "RMSE", "loss": "loss"}
_BALANCE = {
    "val_living_experts": "Experts alive, mean over tasks",
    "val_importance_cv": "CV of the importance, mean over tasks",
}


def loss_plot(records: Records) -> Plot | None:
    """Training and validation loss of both models by epoch; a dot at the epoch that was kept.

    Args:
        records: model -> its training.

    Returns:
        None if no epoch was recorded.
    """
    series: Series = {}
    for model in ROLES:
        series[f"{model} faint"] = _series(records.get(model), "loss")
        series[model] = _series(records.get(model), "val_loss")
    return _plot("Loss, all tasks", series, records)


def task_plots(records: Records, tasks: tuple[str, ...]) -> list[Plot]:
    """One chart a task of its validation metric: `val_<task>_auc`, `_rmse` or `_loss`.

    Args:
        records: model -> its training.
        tasks: in the order of the charts.
    """
    plots = []
    for task in tasks:
        for suffix, name in _SUFFIXES.items():
            key = f"val_{task}_{suffix}"
            series: Series = {model: _series(records.get(model), key) for model in ROLES}
            plot = _plot(f"{task}: {name}", series, records)
            if plot is not None:
                plots.append(plot)
                break
    return plots


def balance_plots(records: Records) -> list[Plot]:
    """Living experts and variation of the importance by epoch, of per-example gates.

    Args:
        records: model -> its training.
    """
    plots = []
    for key, title in _BALANCE.items():
        series: Series = {model: _series(records.get(model), key) for model in ROLES}
        plot = _plot(title, series, records, from_zero=True)
        if plot is not None:
            plots.append(plot)
    return plots


def _series(record: TrainingRecord | None, key: str) -> tuple[list[float], list[float]]:
    epochs = record.epochs if record else ()
    found = [(e.get("epoch", i + 1.0), e[key]) for i, e in enumerate(epochs) if key in e]
    return [epoch for epoch, _ in found], [value for _, value in found]


def _plot(title: str, series: Series, records: Records, from_zero: bool = False) -> Plot | None:
    values = [value for _, line in series.values() for value in line]
    if not values:
        return None
    last = max(epoch for epochs, _ in series.values() for epoch in epochs)
    plot = Plot(title, _describe(series), "epoch", left=44, right=308, top=10)
    x = plot.x_scale(1.0, max(last, 2.0))
    padding = 0.06 * (max(values) - min(values)) or 0.01
    y = plot.y_scale(0.0 if from_zero else min(values) - padding, max(values) + padding)
    for css, (epochs, line) in series.items():
        if line:
            plot.lines.append(Line(css, points([x(e) for e in epochs], [y(v) for v in line])))
    for model in ROLES:
        record, (epochs, line) = records.get(model), series[model]
        if record and record.best_epoch in epochs:
            place = epochs.index(record.best_epoch)
            at, label = y(line[place]), f"{model}: epoch {record.best_epoch}, {line[place]:.4g}"
            plot.dots.append(Dot(model, x(epochs[place]), at, at, at, label))
    return plot


def _describe(series: Series) -> str:
    ends = [
        f"{model} ends at {number(series[model][1][-1])}" for model in ROLES if series[model][1]
    ]
    return ", ".join(ends)
