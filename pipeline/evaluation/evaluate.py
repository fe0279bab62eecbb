"""The evaluation from end to end: rows in, figures with the verdict out."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from pipeline.config import RankerConfig
from pipeline.evaluation.bootstrap import bootstrap, compare
from pipeline.evaluation.calibration import calibration_curve
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.figures import BaseFigures, Figures, TaskFigures
from pipeline.evaluation.metrics import Samples, TaskStatistics, as_optional
from pipeline.evaluation.options import METRICS_OF_KIND, Metric
from pipeline.evaluation.rows import EvalRows, Floats, Ints, TaskRows
from pipeline.evaluation.slices import evaluate_slices
from pipeline.evaluation.verdict import judge
from trainer.config import ROLES, Role
from transforms.tasks import Task, Tasks

Key = tuple[str, Role]  # task, model

_NO_LABEL = "no example has the label"
_NEEDS: dict[Metric, str] = {
    "auc": "it needs a positive and a negative example",
    "gauc": "it needs a user with a positive and a negative example",
    "calibration": "it needs a mean label above 0",
    "r2": "it needs labels that differ",
}


def evaluate(
    rows: EvalRows, config: RankerConfig, base: EvalRows | str = "there is none yet"
) -> Figures:
    """Compares the candidate with the baseline, and its base, and judges by the thresholds.

    Args:
        rows: labels and both models' predictions of the eval split, for every task and for
            every feature of `evaluation.slices`.
        config: the ranker's; read are `tasks` and `evaluation`.
        base: the same rows with the predictions of the model that the candidate began from as
            the baseline's, for the tasks that it has; or why there are none.

    Returns:
        The figures, ready for `model_dump_json`; no number in them is NaN or infinite.
    """
    users, num_users = rows.encoded_users()
    measure = partial(_samples, config=config, users=users, num_users=num_users)
    samples = measure(rows, ROLES)
    tasks, mean = _compare(rows, config, users, samples)
    over_base = None
    if not isinstance(base, str):
        # The candidate's, of the same rows, are known.
        samples |= measure(base, ("baseline",))
        base_tasks, base_mean = _compare(base, config, users, samples)
        over_base = BaseFigures(tasks=base_tasks, mean=base_mean)
    return Figures(
        rows=len(rows.user_ids),
        users=num_users,
        replicates=config.evaluation.bootstrap_replicates,
        tasks=tasks,
        mean=mean,
        slices=evaluate_slices(rows, users, config),
        base=over_base,
        verdict=judge(config.evaluation.thresholds, tasks, mean, over_base or str(base)),
    )


def _compare(
    rows: EvalRows, config: RankerConfig, users: Ints, samples: Mapping[Key, Samples]
) -> tuple[dict[str, TaskFigures], dict[Metric, Comparison]]:
    """The figures of each task that the rows have, and their means."""
    known = _known_tasks(rows, config)
    tasks = {
        name: _task_figures(task, rows.tasks[name], users, _comparisons(task, name, samples))
        for name, task in known.items()
    }
    return tasks, _mean_over_tasks(known, samples)


def _known_tasks(rows: EvalRows, config: RankerConfig) -> Tasks:
    return {name: task for name, task in config.tasks.items() if name in rows.tasks}


def _samples(
    rows: EvalRows, models: Sequence[Role], config: RankerConfig, users: Ints, num_users: int
) -> dict[Key, Samples]:
    """Task and model -> metric -> [1 + B]: the value, then the replicates'."""
    tasks, options = _known_tasks(rows, config), config.evaluation
    statistics: dict[Key, TaskStatistics] = {}
    for name, task in tasks.items():
        exists = rows.tasks[name].weights > 0  # [R]
        part = rows.tasks[name].take(exists)  # [M]
        for model in models:
            predictions = part.of(model)
            if np.all(np.isfinite(predictions)):
                statistics[name, model] = TaskStatistics.of(
                    task.kind, users[exists], part.labels, part.weights, predictions, num_users
                )
    replicates = options.bootstrap_replicates
    samples = bootstrap(statistics, num_users, replicates, options.seed)
    for name, task in tasks.items():
        undefined = dict.fromkeys(METRICS_OF_KIND[task.kind], np.full(1 + replicates, np.nan))
        for model in models:
            samples.setdefault((name, model), undefined)
    return samples


def _comparisons(task: Task, name: str, samples: Mapping[Key, Samples]) -> dict[Metric, Comparison]:
    candidate, baseline = samples[name, "candidate"], samples[name, "baseline"]
    return {
        metric: compare(metric, candidate[metric], baseline[metric])
        for metric in METRICS_OF_KIND[task.kind]
    }


def _mean_over_tasks(tasks: Tasks, samples: Mapping[Key, Samples]) -> dict[Metric, Comparison]:
    """Metric -> its mean over the tasks in which both models have it."""
    pairs: dict[Metric, list[tuple[Floats, Floats]]] = {}
    for name in tasks:
        for metric, candidate in samples[name, "candidate"].items():
            baseline = samples[name, "baseline"][metric]  # [1 + B]
            if np.isfinite(candidate[0]) and np.isfinite(baseline[0]):
                pairs.setdefault(metric, []).append((candidate, baseline))
    return {
        metric: compare(metric, *np.mean(found, axis=0))  # [tasks, 2, 1 + B] -> [2, 1 + B]
        for metric, found in pairs.items()
    }


def _task_figures(
    task: Task, rows: TaskRows, users: Ints, metrics: dict[Metric, Comparison]
) -> TaskFigures:
    exists = rows.weights > 0  # [R]
    part = rows.take(exists)  # [M]
    broken = {model: int(np.sum(~np.isfinite(part.of(model)))) for model in ROLES}
    broken = {model: count for model, count in broken.items() if count}
    weight = part.weights.sum()
    return TaskFigures(
        kind=task.kind,
        group=task.group,
        examples=len(part.labels),
        users=len(np.unique(users[exists])),
        positives=int(np.sum(part.labels > 0.5)) if task.kind == "classification" else None,
        mean_label=as_optional(np.average(part.labels, weights=part.weights)) if weight else None,
        metrics=metrics,
        calibration={
            model: calibration_curve(task.kind, part.labels, part.of(model))
            for model in ROLES
            if model not in broken
        },
        unmeasured={} if broken else _unmeasured(metrics, len(part.labels)),
        broken_predictions=broken,
    )


def _unmeasured(metrics: Mapping[Metric, Comparison], examples: int) -> dict[Metric, str]:
    """Metrics that the labels leave undefined, and why; the predictions are all finite."""
    return {
        metric: _NEEDS.get(metric, _NO_LABEL) if examples else _NO_LABEL
        for metric, comparison in metrics.items()
        if comparison.candidate.value is None
    }
