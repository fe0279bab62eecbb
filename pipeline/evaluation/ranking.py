"""AUC and per-user AUC: rank statistics, exact with ties, over weighted examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.rows import Floats, Ints


@dataclass(frozen=True)
class RocOrder:
    """Where each positive stands among the negatives: sorted once, weighted many times.

    Attributes:
        negatives: [N] rows of the negatives, by rising prediction.
        positives: [P] rows of the positives, in no order.
        below: [P] how many negatives have a smaller prediction than the positive.
        through: [P] how many have a smaller or an equal one.
    """

    negatives: Ints
    positives: Ints
    below: Ints
    through: Ints

    @classmethod
    def of(cls, labels: Floats, predictions: Floats) -> "RocOrder":
        """Sorts the examples of one task.

        Args:
            labels: [M], 1 for a positive, 0 for a negative.
            predictions: [M].
        """
        positives = np.flatnonzero(labels > 0.5)
        negatives = np.flatnonzero(labels <= 0.5)
        negatives = negatives[np.argsort(predictions[negatives])]
        # Rising positives walk through memory forwards, which halves a replicate's time.
        positives = positives[np.argsort(predictions[positives])]
        thresholds = predictions[negatives]  # [N], sorted
        return cls(
            negatives=negatives,
            positives=positives,
            below=np.searchsorted(thresholds, predictions[positives], side="left"),
            through=np.searchsorted(thresholds, predictions[positives], side="right"),
        )

    def auc(self, negative_weights: Floats, positive_weights: Floats) -> Floats:
        """The AUC under some weights, NaN where one of the classes has none.

            AUC = sum_p w_p (W(below p) + W(through p)) / 2 / (sum_p w_p sum_n w_n),

        where W(j) is the weight of the first j negatives; equal predictions count half.

        Args:
            negative_weights: [..., N], in the order of `negatives`.
            positive_weights: [..., P], in the order of `positives`.

        Returns:
            Shape [...].
        """
        cumulative = np.zeros((*negative_weights.shape[:-1], len(self.negatives) + 1))
        np.cumsum(negative_weights, axis=-1, out=cumulative[..., 1:])  # [..., N + 1]
        beaten = cumulative.take(self.below, axis=-1)  # [..., P]
        if np.any(self.below != self.through):
            beaten = (beaten + cumulative.take(self.through, axis=-1)) / 2
        won = np.einsum("...p,...p->...", positive_weights, beaten)
        return divide(won, positive_weights.sum(axis=-1) * cumulative[..., -1])


def auc(labels: Floats, predictions: Floats, weights: Floats | None = None) -> float | None:
    """Area under the ROC curve: the chance that a positive is ranked above a negative.

    Args:
        labels: [M], 0 or 1.
        predictions: [M].
        weights: [M], by default 1 each.

    Returns:
        None if one of the classes has no weight.

    Example:
        >>> auc(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
        0.875
    """
    weights = np.ones_like(predictions) if weights is None else weights
    order = RocOrder.of(labels, predictions)
    value = float(order.auc(weights[order.negatives], weights[order.positives]))
    return None if np.isnan(value) else value


def user_auc(
    users: Ints, labels: Floats, predictions: Floats, weights: Floats, num_users: int
) -> tuple[Floats, Floats]:
    """The AUC inside each user's own examples.

    Args:
        users: [M], in [0, U).
        labels: [M], 0 or 1.
        predictions: [M].
        weights: [M].
        num_users: U.

    Returns:
        [U] the users' AUC, NaN for users without both classes; [U] their weight.
    """
    order = np.lexsort((predictions, users))  # [M], by user, then by prediction
    users, predictions = users[order], predictions[order]
    positive = np.where(labels[order] > 0.5, weights[order], 0.0)
    negative = weights[order] - positive
    new_user = _starts(users)
    tie_group = np.cumsum(new_user | _starts(predictions)) - 1  # [M]
    tied = np.bincount(tie_group, negative)  # [groups]
    before = np.cumsum(tied) - tied  # negatives of this and earlier users below the group
    first_row = np.maximum.accumulate(np.where(new_user, np.arange(len(users)), 0))  # [M]
    beaten = before[tie_group] - before[tie_group[first_row]] + tied[tie_group] / 2

    won = sum_by(users, positive * beaten, num_users)  # [U]
    positives, negatives = sum_by(users, positive, num_users), sum_by(users, negative, num_users)
    return divide(won, positives * negatives), positives + negatives


def gauc(
    users: Ints, labels: Floats, predictions: Floats, weights: Floats | None = None
) -> float | None:
    """AUC per user, averaged over users: how well each user's own list is ordered.

        GAUC = sum_u n_u AUC_u / sum_u n_u

    over the users u that have both classes; n_u is the weight of the user's examples
    (their number, if all weigh 1). See Zhu et al., KDD 2017.

    Args:
        users: [M], small non-negative integers.
        labels: [M], 0 or 1.
        predictions: [M].
        weights: [M], by default 1 each.

    Returns:
        None if no user has both classes.

    Example:
        >>> gauc(np.array([0, 0, 1, 1]), np.array([0.0, 1, 0, 1]), np.array([0.1, 0.2, 0.4, 0.3]))
        0.5
    """
    if len(users) == 0:
        return None
    weights = np.ones_like(predictions) if weights is None else weights
    value, weight = user_auc(users, labels, predictions, weights, int(users.max()) + 1)
    defined = ~np.isnan(value)
    if not defined.any():
        return None
    return float(np.average(value[defined], weights=weight[defined]))


def sum_by(groups: Ints, values: Floats, num_groups: int) -> Floats:
    """[G] the sum of the values of each group.

    Args:
        groups: [M], in [0, G).
        values: [M].
        num_groups: G.
    """
    return np.bincount(groups, values, minlength=num_groups).astype(np.float64, copy=False)


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is 0: undefined, and no warning about it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _starts(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """[M] whether a value differs from the one before it."""
    starts = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=starts[1:])
    return starts
