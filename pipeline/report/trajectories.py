"""Gate weights over the training's steps, a small chart a task."""

import numpy as np
from numpy.typing import NDArray

from pipeline.report.inputs import TrainingRecord
from pipeline.report.numbers import count
from pipeline.report.plot import Line, Note, Plot, Rule, points, spread

_MAX_LINES = 12
_MAX_POINTS = 100
# Of all charts together: a page of 128 tasks stays a few megabytes.
_POINT_BUDGET = 40_000
_NUM_COLOURS = 8
_LABEL_GAP = 11.0


def trajectory_plots(training: TrainingRecord | None, tasks: tuple[str, ...]) -> list[Plot]:
    """One chart a task: a line for each expert that mattered, a rule where it became binary.

    Args:
        training: of one model; a per-example gate has no such record.
        tasks: in the order of the charts.
    """
    if training is None:
        return []
    known = [task for task in tasks if _is_complete(training, task)]
    lines = min(_MAX_LINES, training.num_experts)
    budget = _POINT_BUDGET // max(1, lines * len(known))
    size = min(_MAX_POINTS, max(12, budget))
    return [_plot(training, task, size) for task in known]


def _is_complete(training: TrainingRecord, task: str) -> bool:
    rows = training.gate_weights.get(task, ())
    widths = {len(row) for row in rows}
    return len(rows) == len(training.steps) > 1 and widths == {training.num_experts}


def _plot(training: TrainingRecord, task: str, num_points: int) -> Plot:
    weights = np.array(training.gate_weights[task])  # [S, n]
    chosen = np.unique(np.linspace(0, len(weights) - 1, num_points).round().astype(int))
    steps, weights = np.array(training.steps)[chosen], weights[chosen]
    binary = training.converged_step.get(task)
    plot = Plot(task, _describe(weights[-1], binary), "step")
    x = plot.x_scale(0.0, float(max(training.total_steps, steps[-1])))
    y = plot.y_scale(0.0, 1.0)
    across = [x(step) for step in steps.tolist()]
    kept = _leading(weights)
    for expert in sorted(kept, key=lambda e: weights[-1, e]):
        css = _line_class(expert, used=bool(weights[-1, expert] > 0))
        plot.lines.append(Line(css, points(across, [y(w) for w in weights[:, expert].tolist()])))
    used = [expert for expert in kept if weights[-1, expert] > 0]
    places = spread([y(weights[-1, e]) for e in used], _LABEL_GAP, plot.top, plot.bottom)
    for expert, place in zip(used, places, strict=True):
        plot.notes.append(Note(_colour(expert), across[-1] + 5, place, f"e{expert}"))
    if binary is not None:
        at = x(float(binary))
        anchor = "end" if at > (plot.left + plot.right) / 2 else "start"
        plot.rules.append(Rule(at, f"binary at {count(binary)}", anchor))
    return plot


def _leading(weights: NDArray[np.float64]) -> list[int]:
    """The experts that had the most weight at some step."""
    peak = weights.max(axis=0) + weights[-1]  # [n]; what is used in the end comes first
    order: list[int] = np.argsort(-peak, kind="stable").tolist()
    return order[:_MAX_LINES]


def _colour(expert: int) -> str:
    return f"e{expert % _NUM_COLOURS}"


def _line_class(expert: int, used: bool) -> str:
    if not used:
        return "unused"
    # Experts that share a colour differ in their dashes.
    return f"{_colour(expert)} d{expert // _NUM_COLOURS % 3}"


def _describe(last: NDArray[np.float64], binary: int | None) -> str:
    parts = [f"expert {e} {last[e]:.2f}" for e in np.argsort(-last)[:3].tolist() if last[e] > 0]
    end = f"; binary at step {binary}" if binary is not None else ""
    return f"ends with {', '.join(parts) or 'no expert'}{end}"
