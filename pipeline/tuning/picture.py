"""The trials in one picture: how far the search came, and what each option does."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from trainer.config import Role
from trainer.tuning.describe import short
from trainer.tuning.options import Parameter, Tuning
from trainer.tuning.result import Trial
from transforms.storage import write_whole

_COLOURS: dict[Role, str] = {"candidate": "#2a6fb0", "baseline": "#c2622d"}
_COLUMNS = 3
_PANEL = (3.6, 2.7)


def draw(trials: Mapping[Role, Sequence[Trial]], tuning: Tuning, path: Path) -> None:
    """Draws the objective over the trials, and over each option that was searched.

    Full dots count; hollow ones were discarded. A ring is the best of its role.

    Args:
        trials: role -> its trials.
        tuning: the `tuning` section, for the scales.
        path: of the PNG.
    """
    parameters = {p: one for role in trials for p, one in tuning.space_of(role).items()}
    rows = -(-(1 + len(parameters)) // _COLUMNS)
    columns = min(_COLUMNS, 1 + len(parameters))
    figure = Figure((_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    _draw_progress(next(panels), trials)
    for option, parameter in parameters.items():
        _draw_option(next(panels), trials, option, parameter)
    for unused in panels:
        unused.set_axis_off()
    with write_whole(str(path)) as stream:
        figure.savefig(stream, dpi=130, format="png")


def _draw_progress(axes: Axes, trials: Mapping[Role, Sequence[Trial]]) -> None:
    for role, its in trials.items():
        _dots(axes, role, [(trial.number, trial) for trial in its], label=role)
        best = list(accumulate((_height(trial) for trial in its), np.fmax))
        numbers = [trial.number for trial in its]
        axes.step(numbers, best, where="post", color=_COLOURS[role], linewidth=1.0)
    axes.scatter([], [], s=18, facecolors="none", edgecolors="grey", label="discarded")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel("objective")
    axes.legend(frameon=False, fontsize=8)


def _height(trial: Trial) -> float:
    """The objective, or no number if the trial does not count."""
    return math.nan if trial.objective is None else trial.objective


def _draw_option(
    axes: Axes, trials: Mapping[Role, Sequence[Trial]], option: str, parameter: Parameter
) -> None:
    values = [t.values[option] for its in trials.values() for t in its if option in t.values]
    places = _places(values)
    for role, its in trials.items():
        having = [t for t in its if option in t.values]
        _dots(axes, role, [(places(t.values[option]), t) for t in having])
    axes.set_xlabel(option)
    if parameter.values is not None:
        ticks = {places(value): short(value) for value in values}
        axes.set_xticks(list(ticks), list(ticks.values()))
    elif parameter.scale == "log":
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(float(value))))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _places(values: Sequence[Any]) -> Any:
    """Where a value stands on the axis: at itself, or at the number of its word."""
    if all(_is_number(value) for value in values):
        return lambda value: value
    words = list(dict.fromkeys(map(str, values)))
    return lambda value: words.index(str(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _dots(
    axes: Axes, role: Role, points: Sequence[tuple[float, Trial]], label: str | None = None
) -> None:
    colour = _COLOURS[role]
    counting = [(x, t.objective) for x, t in points if t.objective is not None]
    others = [
        (x, t.result.objective)
        for x, t in points
        if t.objective is None and t.result is not None and t.result.objective is not None
    ]
    if counting:
        x, y = zip(*counting, strict=True)
        axes.scatter(x, y, s=18, color=colour, label=label)
        best = max(counting, key=lambda point: point[1])
        axes.scatter(best[0], best[1], s=90, facecolors="none", edgecolors=colour)
    if others:
        x, y = zip(*others, strict=True)
        axes.scatter(x, y, s=18, facecolors="none", edgecolors=colour)
