"""`monitor.html`: a page of the report's look, with what was found on a day."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.evaluation.comparison import PRIMARY_METRIC
from pipeline.monitoring.figures import MonitorFigures
from pipeline.monitoring.plots import calibration_plots, distance_plots, history_plots
from pipeline.report.data_quality import data_quality
from pipeline.report.headline import Tile
from pipeline.report.numbers import METRIC_NAMES, count, number, signed
from pipeline.report.render import report_environment


def render_page(figures: MonitorFigures, history: Sequence[MonitorFigures], folder: Path) -> str:
    """The whole page: one file that fetches nothing, every word of it escaped.

    Args:
        figures: of the day.
        history: of the days before, the oldest first.
        folder: that the page stands in; links to the runs' reports begin there.
    """
    return report_environment().get_template("monitor.html.j2").render(
        figures=figures,
        verdict=verdict(figures),
        tiles=_tiles(figures),
        distances=distance_plots(figures.distances),
        calibrations=calibration_plots(figures.tasks),
        history=history_plots([*history, figures]),
        reports=_links(figures, folder),
        data=data_quality(figures.counts),
    )  # fmt: skip


def verdict(figures: MonitorFigures) -> str:
    """The page's first words."""
    alarms = len(figures.alarms)
    return f"{alarms} alarm{'s' * (alarms > 1)}" if alarms else "No alarm"


def _tiles(figures: MonitorFigures) -> list[Tile]:
    rows = figures.counts.impressions
    versions = ", ".join(f"version {name}" for name in figures.versions)
    tiles = [Tile("Impressions served", count(rows.examples), versions)]
    measured = [one for one in figures.distances if one.value is not None]
    for kind in ("skew", "drift"):
        of_kind = [one for one in measured if one.kind == kind]
        if of_kind:
            worst = max(of_kind, key=lambda one: (one.value or 0.0) - one.threshold)
            note = f"{worst.feature}, threshold {worst.threshold:g}"
            tiles.append(Tile(f"Largest {kind}", number(worst.value, 3), note))
    tiles += _worst_metrics(figures)
    labels = sum(task.examples for task in figures.tasks)
    waiting = sum(task.waiting for task in figures.tasks)
    return [*tiles, Tile("Labels", count(labels), f"{count(waiting)} wait for feedback")]


def _worst_metrics(figures: MonitorFigures) -> list[Tile]:
    tiles = []
    for kind, metric in PRIMARY_METRIC.items():
        worse: list[tuple[float, Any]] = [
            (one.worse.value, task)
            for task in figures.tasks
            if task.kind == kind
            and (one := task.metrics.get(metric)) is not None
            and one.worse is not None
            and one.worse.value is not None
        ]
        if worse:
            value, task = max(worse, key=lambda pair: pair[0])
            name = "drop of AUC" if metric == "auc" else f"rise of {METRIC_NAMES[metric]}"
            tiles.append(Tile(f"Largest {name}", signed(value, 3), task.task))
    return tiles


def _links(figures: MonitorFigures, folder: Path) -> dict[str, str]:
    """Version -> the report of its run, from the page's folder on."""
    return {
        version: quote(os.path.relpath(served.report, folder))
        for version, served in figures.versions.items()
        if served.report
    }
