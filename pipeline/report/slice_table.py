"""Slices: the candidate's primary metric and its gain, a row a slice and a column a task."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.evaluation.comparison import DIRECTIONS, PRIMARY_METRIC
from pipeline.evaluation.figures import Figures, SliceFigures
from pipeline.evaluation.options import Metric
from pipeline.report.numbers import METRIC_NAMES, count, number, signed


@dataclass(frozen=True)
class SliceCell:
    """One task in one slice."""

    candidate: str
    gain: str
    is_loss: bool


@dataclass(frozen=True)
class SliceTable:
    """All slices of one feature.

    Attributes:
        feature: its name.
        columns: task -> the metric's name.
        rows: slice's value, its examples, a cell a task.
    """

    feature: str
    columns: dict[str, str]
    rows: list[tuple[str, str, list[SliceCell]]]


def slice_tables(figures: Figures) -> list[SliceTable]:
    """One table a feature; the last row of each holds all rows of the eval split.

    Args:
        figures: of the evaluation.
    """
    by_feature: dict[str, list[SliceFigures]] = {}
    for one in figures.slices:
        by_feature.setdefault(one.feature, []).append(one)
    metrics = {name: PRIMARY_METRIC[task.kind] for name, task in figures.tasks.items()}
    whole = [
        _cell(task.primary.candidate.value, task.primary.baseline.value, metrics[name])
        for name, task in figures.tasks.items()
    ]
    return [
        SliceTable(
            feature,
            {name: METRIC_NAMES[metric] for name, metric in metrics.items()},
            [
                *(_row(one, metrics) for one in slices),
                ("all", count(figures.rows), whole),
            ],
        )
        for feature, slices in by_feature.items()
    ]


def _row(one: SliceFigures, metrics: Mapping[str, Metric]) -> tuple[str, str, list[SliceCell]]:
    values = [(one.tasks[name][metric], metric) for name, metric in metrics.items()]
    cells = [_cell(value.candidate, value.baseline, metric) for value, metric in values]
    return one.value, count(one.examples), cells


def _cell(candidate: float | None, baseline: float | None, metric: Metric) -> SliceCell:
    gain = None
    if candidate is not None and baseline is not None:
        gain = baseline - candidate if DIRECTIONS[metric] == "lower" else candidate - baseline
    return SliceCell(number(candidate, 3), signed(gain, 3), gain is not None and gain < 0)
