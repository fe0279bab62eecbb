"""Every metric of one task and one model, for the examples as they are or resampled by user.

All metrics except AUC are functions of sums over examples. The sums are kept a user, so a
bootstrap replicate is one row of a matrix product; AUC keeps its sorted order.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.options import METRICS_OF_KIND, Metric
from pipeline.evaluation.ranking import RocOrder, divide, sum_by
from pipeline.evaluation.rows import Floats, Ints
from pipeline.evaluation.terms import (
    classification_terms,
    regression_metrics,
    regression_terms,
    user_auc_sums,
)
from transforms.tasks import TaskKind

Samples = dict[Metric, Floats]


@dataclass(frozen=True)
class Ranked:
    """What AUC needs of classification examples beyond sums.

    Attributes:
        order: of the examples by prediction.
        users: of the negatives [N] and of the positives [P], in that order.
        weights: of the same, or None if all weigh 1.
    """

    order: RocOrder
    users: tuple[Ints, Ints]
    weights: tuple[Floats, Floats] | None

    @classmethod
    def of(cls, users: Ints, labels: Floats, weights: Floats, predictions: Floats) -> "Ranked":
        """Sorts the examples; all arguments are [M]."""
        order = RocOrder.of(labels, predictions)
        classes = order.negatives, order.positives
        equal = bool(np.all(weights == 1.0))
        return cls(
            order,
            users=(users[classes[0]], users[classes[1]]),
            weights=None if equal else (weights[classes[0]], weights[classes[1]]),
        )

    def auc(self, counts: Floats) -> Floats:
        """[C] the AUC when user u counts counts[c, u] times; counts is [C, U]."""
        negative, positive = (counts.take(users, axis=1) for users in self.users)
        if self.weights is not None:
            negative *= self.weights[0]
            positive *= self.weights[1]
        return self.order.auc(negative, positive)


@dataclass(frozen=True)
class TaskStatistics:
    """One task's metrics under one model, ready to be reweighted by user.

    Attributes:
        kind: of the task.
        num_examples: M, those with weight above 0.
        sums: [U, S] weighted sums over each user's examples.
        sum_names: [S] what is summed.
        ranked: for classification, else None.
    """

    kind: TaskKind
    num_examples: int
    sums: Floats
    sum_names: tuple[str, ...]
    ranked: Ranked | None

    @classmethod
    def of(
        cls,
        kind: TaskKind,
        users: Ints,
        labels: Floats,
        weights: Floats,
        predictions: Floats,
        num_users: int,
    ) -> "TaskStatistics":
        """Sorts and sums the examples once.

        Args:
            kind: of the task.
            users: [M], in [0, U).
            labels: [M].
            weights: [M], all above 0.
            predictions: [M], finite.
            num_users: U.
        """
        if kind == "classification":
            terms = classification_terms(labels, predictions)
        else:
            terms = regression_terms(labels, predictions)
        sums = {name: sum_by(users, weights * term, num_users) for name, term in terms.items()}
        ranked = None
        if kind == "classification":
            ranked = Ranked.of(users, labels, weights, predictions)
            sums |= user_auc_sums(users, labels, predictions, weights, num_users)
        return cls(kind, len(labels), np.stack(list(sums.values()), axis=1), tuple(sums), ranked)

    def metrics(self, counts: Floats) -> Samples:
        """The metrics when user u counts counts[c, u] times.

        Args:
            counts: [C, U].

        Returns:
            Metric -> [C], in the order of `METRICS_OF_KIND`; NaN where undefined.
        """
        totals = dict(zip(self.sum_names, (counts @ self.sums).T, strict=True))  # [C] each
        values: Samples = {"calibration": divide(totals["prediction"], totals["label"])}
        if self.ranked is not None:
            values["auc"] = self.ranked.auc(counts)
            values["gauc"] = divide(totals["user_auc"], totals["user_weight"])
            values["log_loss"] = divide(totals["loss"], totals["weight"])
        else:
            values |= regression_metrics(totals)
        return {name: values[name] for name in METRICS_OF_KIND[self.kind]}


def task_metrics(
    kind: TaskKind,
    users: Ints,
    labels: Floats,
    weights: Floats,
    predictions: Floats,
) -> dict[Metric, float | None]:
    """The metrics of one task and model, None where undefined.

    Args:
        kind: of the task.
        users: [M], numbers of the users.
        labels: [M].
        weights: [M]; examples with weight 0 are left out.
        predictions: [M]; if any is not finite, no metric is defined.

    Example:
        >>> ones = np.ones(2)
        >>> task_metrics("regression", np.array([0, 1]), np.array([1.0, 3]), ones, ones)["rmse"]
        1.4142135623730951
    """
    kept = weights > 0
    if not np.all(np.isfinite(predictions[kept])):
        return dict.fromkeys(METRICS_OF_KIND[kind])
    _, users = np.unique(users[kept], return_inverse=True)
    num_users = int(users.max(initial=0)) + 1
    statistics = TaskStatistics.of(
        kind, users, labels[kept], weights[kept], predictions[kept], num_users
    )
    values = statistics.metrics(np.ones((1, num_users)))
    return {name: as_optional(value[0]) for name, value in values.items()}


def as_optional(value: float) -> float | None:
    """A float for JSON: None in place of NaN.

    Example:
        >>> as_optional(float("nan")) is None
        True
    """
    return float(value) if np.isfinite(value) else None
