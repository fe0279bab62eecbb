"""The trials in one picture: how far the search came, and what each option does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainer.tuning.describe import short
from trainer.tuning.options import Role
from trainer.tuning.result import Trial

_COLOURS: dict[Role, str] = {"candidate": "#2a6fb0", "baseline": "#c2622d"}
_COLUMNS = 3
_PANEL = (3.6, 2.7)
# Hardly anybody searches two powers of ten on a linear scale.
_LOG_RATIO = 50.0


def draw(trials: Mapping[Role, Sequence[Trial]], path: Path) -> None:
    """Draws the objective over the trials, and over each option that was searched.

    Full dots count; hollow ones were discarded. A ring is the best of its role.

    Args:
        trials: role -> its trials.
        path: of the PNG.
    """
    paths = list(dict.fromkeys(p for its in trials.values() for t in its for p in t.values))
    rows = -(-(1 + len(paths)) // _COLUMNS)
    columns = min(_COLUMNS, 1 + len(paths))
    figure = Figure((_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    _draw_progress(next(panels), trials)
    for option in paths:
        _draw_option(next(panels), trials, option)
    for unused in panels:
        unused.set_axis_off()
    figure.savefig(path, dpi=130)


def _draw_progress(axes: Axes, trials: Mapping[Role, Sequence[Trial]]) -> None:
    for role, its in trials.items():
        _dots(axes, role, [(trial.number, trial) for trial in its], label=role)
        best: list[tuple[int, float]] = []
        for trial in its:
            if trial.objective is not None:
                best.append((trial.number, max(trial.objective, *(b for _, b in best[-1:]), 0.0)))
        axes.step(*zip(*best, strict=True), where="post", color=_COLOURS[role], linewidth=1.0)
    axes.set_xlabel("trial")
    axes.set_ylabel("objective")
    axes.legend(frameon=False, fontsize=8)


def _draw_option(axes: Axes, trials: Mapping[Role, Sequence[Trial]], option: str) -> None:
    values = [t.values[option] for its in trials.values() for t in its if option in t.values]
    places = _places(values)
    for role, its in trials.items():
        having = [t for t in its if option in t.values]
        _dots(axes, role, [(places(t.values[option]), t) for t in having])
    axes.set_xlabel(option)
    if not all(_is_number(value) for value in values):
        words = list(dict.fromkeys(map(str, values)))
        axes.set_xticks(range(len(words)), words, fontsize=8)
    elif min(values) > 0 and max(values) / min(values) > _LOG_RATIO:
        axes.set_xscale("log")
    elif len(set(values)) <= 6:
        axes.set_xticks(sorted(set(values)), [short(v) for v in sorted(set(values))])


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
        axes.scatter(*zip(*counting, strict=True), s=18, color=colour, label=label)
        best = max(counting, key=lambda point: point[1])
        axes.scatter(*best, s=90, facecolors="none", edgecolors=colour)
    if others:
        axes.scatter(*zip(*others, strict=True), s=18, facecolors="none", edgecolors=colour)
