"""Candidate against baseline: rows of the forest plot and of the table of all metrics."""

from dataclasses import dataclass

from pipeline.evaluation.comparison import DIRECTIONS, PRIMARY_METRIC, Comparison, Estimate, Outcome
from pipeline.evaluation.figures import BaseFigures, Figures, TaskFigures
from pipeline.evaluation.options import Metric
from pipeline.report.inputs import Truth
from pipeline.report.numbers import METRIC_NAMES, bounds, number, signed
from pipeline.report.plot import Scale, nice


@dataclass(frozen=True)
class ForestRow:
    """One task: its gain as a dot and a bar, in percent of the plot's width.

    Attributes:
        task: its name, or `mean`.
        candidate: the candidate's value.
        baseline: the baseline's.
        gain: positive is better.
        interval: of the gain.
        outcome: better or worse with confidence, or neither.
        dot: place of the gain, None where undefined.
        bar: place and width of the interval, None where undefined.
        share: of the best reachable, None where that is not known.
        note: why a value is missing.
    """

    task: str
    candidate: str
    baseline: str
    gain: str
    interval: str
    outcome: Outcome
    dot: float | None
    bar: tuple[float, float] | None
    share: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Forest:
    """The gains of all tasks of one kind in their primary metric.

    Attributes:
        metric: its name.
        better: which way is better.
        rows: a task each, then the mean.
        zero: place of 0 in percent.
        ticks: place in percent -> label.
        has_shares: whether any row has a share of the best.
    """

    metric: str
    better: str
    rows: list[ForestRow]
    zero: float
    ticks: list[tuple[float, str]]
    has_shares: bool


def forests(figures: Figures | BaseFigures, truth: Truth | None) -> list[Forest]:
    """One forest plot for each kind of task that there is.

    Args:
        figures: of the evaluation, or of its comparison with the base.
        truth: the best reachable values, if known.
    """
    kinds = dict.fromkeys(task.kind for task in figures.tasks.values())
    built = []
    for kind in kinds:
        metric = PRIMARY_METRIC[kind]
        tasks = {name: task for name, task in figures.tasks.items() if task.kind == kind}
        built.append(_forest(metric, tasks, figures.mean.get(metric), truth))
    return built


def share_of_best(task: TaskFigures, name: str, truth: Truth | None) -> float | None:
    """How far the candidate got from knowing nothing (0) to the best prediction (1).

    Args:
        task: its figures.
        name: of the task.
        truth: what the best prediction reaches, if known.
    """
    value = task.primary.candidate.value
    if truth is None or value is None or name not in truth.tasks:
        return None
    return truth.tasks[name].share_of_best(value)


def _forest(
    metric: Metric,
    tasks: dict[str, TaskFigures],
    mean: Comparison | None,
    truth: Truth | None,
) -> Forest:
    comparisons = {name: task.metrics[metric] for name, task in tasks.items()}
    with_mean = {**comparisons, "mean": mean} if mean and len(tasks) > 1 else comparisons
    scale = _scale([comparison.gain for comparison in with_mean.values()])
    rows = []
    for name, task in tasks.items():
        share = share_of_best(task, name, truth)
        rows.append(_row(name, comparisons[name], scale, share, _why_missing(task, metric)))
    shares = [row.share for row in rows if row.share is not None]
    if mean and len(tasks) > 1:
        rows.append(_row("mean", mean, scale, sum(shares) / len(shares) if shares else None, ""))
    ticks = ((scale(value), signed(value)) for value in nice(scale.low, scale.high))
    return Forest(
        metric=METRIC_NAMES[metric],
        better=DIRECTIONS[metric],
        rows=rows,
        zero=scale(0.0),
        ticks=[(place, label.rstrip("0").rstrip(".")) for place, label in ticks],
        has_shares=bool(shares),
    )


def _scale(gains: list[Estimate]) -> Scale:
    """From values to percent of the plot's width, around 0."""
    ends = [end for gain in gains for end in (gain.value, gain.lower, gain.upper) if end]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    margin = 0.08 * (high - low) or 1.0
    return Scale(low - margin, high + margin, 0.0, 100.0)


def _row(
    name: str, comparison: Comparison, scale: Scale, share: float | None, note: str
) -> ForestRow:
    gain = comparison.gain
    bar = None
    if gain.lower is not None and gain.upper is not None:
        bar = scale(gain.lower), round(scale(gain.upper) - scale(gain.lower), 1)
    return ForestRow(
        task=name,
        candidate=number(comparison.candidate.value),
        baseline=number(comparison.baseline.value),
        gain=signed(gain.value),
        interval=bounds(gain),
        outcome=comparison.outcome,
        dot=None if gain.value is None else scale(gain.value),
        bar=bar,
        share=share,
        note=note,
    )


def _why_missing(task: TaskFigures, metric: Metric) -> str:
    broken = [
        f"{n} predictions of the {m} are not finite" for m, n in task.broken_predictions.items()
    ]
    return "; ".join(broken) or task.unmeasured.get(metric, "")
