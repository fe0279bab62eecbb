"""Live metrics of each task and version, held against the evaluation at training time."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from pipeline.config import RankerConfig
from pipeline.evaluation.bootstrap import bootstrap, estimate
from pipeline.evaluation.calibration import calibration_curve
from pipeline.evaluation.comparison import PRIMARY_METRIC
from pipeline.evaluation.figures import CalibrationBin, Figures, TaskFigures
from pipeline.evaluation.metrics import Samples, TaskStatistics, as_optional
from pipeline.evaluation.options import METRICS_OF_KIND, Metric
from pipeline.evaluation.rows import encode
from pipeline.monitoring.columns import Flags, ServedColumns, TaskColumns
from pipeline.monitoring.figures import Alarm, LiveMetric, LiveTask
from pipeline.monitoring.options import Quality
from pipeline.monitoring.worsening import is_off, is_worse, worsening
from transforms.tasks import Task

Key = tuple[str, str]  # version, task


def live_tasks(
    columns: ServedColumns,
    versions: Sequence[str],
    config: RankerConfig,
    unlabelled: Collection[str],
    evaluations: Mapping[str, Figures],
) -> list[LiveTask]:
    """Measures every task of every version.

    Args:
        columns: labels and logged predictions.
        versions: that are looked at.
        config: the whole YAML.
        unlabelled: tasks that have no labels.
        evaluations: version -> of the run that pushed it, if known.
    """
    users, words = encode(columns.users)
    counted = {
        (version, name): _counted(columns, version, task, config)
        for version in versions
        for name, task in columns.tasks.items()
        if name not in unlabelled
    }
    statistics = {
        key: TaskStatistics.of(
            config.tasks[key[1]].kind,
            users[rows],
            columns.tasks[key[1]].labels[rows],
            np.ones(int(rows.sum())),
            columns.tasks[key[1]].predictions[rows],
            len(words),
        )
        for key, rows in counted.items()
        if rows.any() and np.all(np.isfinite(columns.tasks[key[1]].predictions[rows]))
    }
    evaluation = config.evaluation
    samples = bootstrap(statistics, len(words), evaluation.bootstrap_replicates, evaluation.seed)
    return [
        _live_task(key, rows, columns, config, samples.get(key), evaluations.get(key[0]))
        for key, rows in counted.items()
    ]


def _counted(
    columns: ServedColumns, version: str, task: TaskColumns, config: RankerConfig
) -> Flags:
    """[R] which labels count for a version.

    A model with a position tower predicts what happens in the first place, so only what was
    shown there can be held against it.
    """
    rows: Flags = (columns.versions == version) & task.exists & ~task.waits
    return rows & columns.is_first if config.model.position else rows


def _live_task(
    key: Key,
    rows: Flags,
    columns: ServedColumns,
    config: RankerConfig,
    samples: Samples | None,
    evaluation: Figures | None,
) -> LiveTask:
    version, name = key
    task, of_task = config.tasks[name], columns.tasks[name]
    labels, predictions = of_task.labels[rows], of_task.predictions[rows]
    is_own = columns.versions == version
    ready = is_own & of_task.exists & ~of_task.waits
    broken = int(np.sum(is_own & ~np.isfinite(of_task.predictions)))
    trained = evaluation.tasks.get(name) if evaluation else None
    is_measured = samples is not None
    curve = calibration_curve(task.kind, labels, predictions) if is_measured else ()
    return LiveTask(
        task=name,
        model_version=version,
        kind=task.kind,
        impressions=int(is_own.sum()),
        examples=len(labels),
        waiting=int(np.sum(is_own & of_task.waits)),
        not_first=int(ready.sum()) - len(labels),
        users=len(np.unique(columns.users[rows])),
        positives=int(np.sum(labels > 0.5)) if task.kind == "classification" else None,
        mean_label=as_optional(labels.mean()) if len(labels) else None,
        mean_prediction=as_optional(predictions.mean()) if is_measured else None,
        calibration_error=calibration_error(curve),
        metrics=_metrics(task, samples, trained, name, len(labels), config.monitor.quality),
        curve=curve,
        training_curve=trained.calibration.get("candidate", ()) if trained else (),
        broken_predictions=broken,
        note=_note(len(labels), broken, trained, config.monitor.quality),
    )


def calibration_error(curve: Sequence[CalibrationBin]) -> float | None:
    """The expected calibration error: how far the bins are off, weighted by their examples.

    Example:
        >>> one = dict(lower=0.0, upper=1.0)
        >>> low = CalibrationBin(mean_prediction=0.2, mean_label=0.1, examples=30, **one)
        >>> high = CalibrationBin(mean_prediction=0.6, mean_label=0.8, examples=10, **one)
        >>> round(calibration_error([low, high]), 6)
        0.125
    """
    total = sum(one.examples for one in curve)
    if not total:
        return None
    return sum(one.examples * abs(one.mean_prediction - one.mean_label) for one in curve) / total


def _metrics(
    task: Task,
    samples: Samples | None,
    trained: TaskFigures | None,
    name: str,
    examples: int,
    quality: Quality,
) -> dict[Metric, LiveMetric]:
    if samples is None:
        return {}
    watched = examples >= quality.min_examples and name not in quality.unwatched
    found = {}
    for metric in METRICS_OF_KIND[task.kind]:
        live = estimate(samples[metric])
        before = trained.metrics[metric].candidate if trained else None
        worse = worsening(metric, live, before) if metric == PRIMARY_METRIC[task.kind] else None
        bad = is_worse(metric, worse, quality) or is_off(metric, live, quality)
        found[metric] = LiveMetric(
            live=live, training=before, worse=worse, is_alarm=watched and bad
        )
    return found


def _note(examples: int, broken: int, trained: TaskFigures | None, quality: Quality) -> str:
    notes = []
    if broken:
        notes.append(f"{broken} logged predictions are no numbers")
    if not examples:
        notes.append("no complete label")
    elif examples < quality.min_examples:
        notes.append(f"{examples} labels are too few for an alarm: min_examples is "
                     f"{quality.min_examples}")  # fmt: skip
    if trained is None:
        notes.append("no evaluation to compare with")
    return "; ".join(notes)


def quality_alarms(tasks: Sequence[LiveTask]) -> Iterator[Alarm]:
    """An alarm for each metric that is one, and for predictions that are no numbers."""
    for task in tasks:
        about = {"place": task.task, "model_version": task.model_version}
        if task.broken_predictions:
            message = f"{task.broken_predictions} logged predictions are no numbers."
            yield Alarm(kind="predictions", message=message, **about)
        for metric, one in task.metrics.items():
            if one.is_alarm:
                kind = "calibration" if metric == "calibration" else "quality"
                yield Alarm(kind=kind, message=_sentence(metric, one), **about)


def _sentence(metric: Metric, one: LiveMetric) -> str:
    live = f"{one.live.value:.3f} ({one.live.lower:.3f} to {one.live.upper:.3f})"
    if metric == "calibration":
        return f"Mean prediction / mean label is {live}."
    before = one.training.value if one.training else None
    return f"{metric} is {live}, and was {before:.3f} in the evaluation."
