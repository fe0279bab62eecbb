"""The one number that tuning maximises. Imports no TensorFlow."""

import math
from collections.abc import Mapping

from transforms.errors import InputError
from transforms.section import Section
from transforms.tasks import TaskKind, Tasks


class LabelFacts(Section):
    """What is known of a task's labels in the eval split, in the label's transformed space.

    Attributes:
        count: examples that have one.
        mean: of them.
        variance: of them, sum of squares / count.
    """

    count: int
    mean: float
    variance: float


def task_quality(kind: TaskKind, metric: float, labels: LabelFacts) -> float:
    """How well a task is predicted: 0.5 for knowing nothing, 1 for a perfect prediction.

    classification: AUC
    regression: (1 + R2) / 2, R2 = 1 - RMSE^2 / variance, not below 0

    Args:
        kind: of the task.
        metric: its AUC, or its RMSE.
        labels: of the same examples.

    Example:
        >>> facts = LabelFacts(count=100, mean=0.0, variance=4.0)
        >>> task_quality("regression", 1.0, facts), task_quality("regression", 2.0, facts)
        (0.875, 0.5)
    """
    if kind == "classification":
        return metric
    return max(0.0, 1.0 - metric**2 / labels.variance / 2.0)


def weighted_mean(qualities: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """sum_t w_t q_t / sum_t w_t over the tasks that have a quality.

    Args:
        qualities: task -> quality.
        weights: task -> weight; one of those tasks' at least is above 0.

    Example:
        >>> weighted_mean({"click": 0.5, "like": 0.75}, {"click": 1.0, "like": 3.0})
        0.6875
    """
    total = math.fsum(weights[task] for task in qualities)
    return math.fsum(weights[task] * quality for task, quality in qualities.items()) / total


def measure(
    tasks: Tasks,
    figures: Mapping[str, float],
    labels: Mapping[str, LabelFacts],
    weights: Mapping[str, float],
) -> tuple[float, dict[str, float]]:
    """The objective and its parts, from the figures of an epoch's validation.

    Args:
        tasks: the YAML's tasks.
        figures: with `val_<task>_auc` or `val_<task>_rmse` of every task.
        labels: task -> what is known of its labels in the eval split.
        weights: task -> weight.

    Returns:
        The weighted mean, and task -> quality of the tasks that can be judged.
    """
    qualities = {}
    for name in judged(labels, weights):
        kind = tasks[name].kind
        metric = figures[f"val_{name}_{'auc' if kind == 'classification' else 'rmse'}"]
        qualities[name] = task_quality(kind, metric, labels[name])
    return weighted_mean(qualities, weights), qualities


def judged(labels: Mapping[str, LabelFacts], weights: Mapping[str, float]) -> list[str]:
    """The tasks that count: with a weight, and with labels that are not all alike.

    Raises:
        InputError: if there is none.
    """
    tasks = [name for name, facts in labels.items() if weights[name] and facts.variance > 0.0]
    if not tasks:
        raise InputError(
            "tuning: the eval split must have labels that differ, of a task with a weight above "
            f"0. Received: { ({name: facts.count for name, facts in labels.items()}) } labels"
        )
    return tasks
