"""What is summed over examples, so that every metric but AUC is a function of the sums."""

from collections.abc import Mapping

import numpy as np

from pipeline.evaluation.options import Metric
from pipeline.evaluation.ranking import divide, user_auc
from pipeline.evaluation.rows import Floats, Ints

# Predictions this near to 0 or 1 cost no more, so one sure mistake keeps the loss finite.
_CLIP = 1e-7
# A variance below this share of the sum of squares is what rounding left of 0.
_ROUND_OFF = 1e-12


def classification_terms(labels: Floats, predictions: Floats) -> dict[str, Floats]:
    """Name -> [M], for log loss and calibration; both arguments are [M]."""
    clipped = np.clip(predictions, _CLIP, 1 - _CLIP)
    loss = -np.where(labels > 0.5, np.log(clipped), np.log1p(-clipped))
    return {
        "weight": np.ones_like(labels),
        "label": labels,
        "prediction": predictions,
        "loss": loss,
    }


def user_auc_sums(
    users: Ints, labels: Floats, predictions: Floats, weights: Floats, num_users: int
) -> dict[str, Floats]:
    """Name -> [U], for GAUC; the arguments are those of `ranking.user_auc`."""
    if len(users) == 0:
        return {"user_auc": np.zeros(num_users), "user_weight": np.zeros(num_users)}
    value, weight = user_auc(users, labels, predictions, weights, num_users)
    defined = ~np.isnan(value)
    return {
        "user_auc": np.where(defined, value * weight, 0.0),
        "user_weight": np.where(defined, weight, 0.0),
    }


def regression_terms(labels: Floats, predictions: Floats) -> dict[str, Floats]:
    """Name -> [M], for RMSE, MAE, R2 and calibration; both arguments are [M]."""
    error = predictions - labels
    # Squares around the median: large labels of small spread would cancel out otherwise.
    centred = labels - (np.median(labels) if len(labels) else 0.0)
    return {
        "weight": np.ones_like(labels),
        "label": labels,
        "prediction": predictions,
        "squared_error": error**2,
        "absolute_error": np.abs(error),
        "centred": centred,
        "centred_squared": centred**2,
    }


def regression_metrics(totals: Mapping[str, Floats]) -> dict[Metric, Floats]:
    """RMSE, MAE and R2, [C] each, from the terms' weighted sums [C]; NaN where undefined."""
    weight = totals["weight"]
    square = totals["centred_squared"]
    spread = square - divide(totals["centred"] ** 2, weight)
    spread = np.where(spread > _ROUND_OFF * square, spread, 0.0)
    return {
        "rmse": np.sqrt(divide(totals["squared_error"], weight)),
        "mae": divide(totals["absolute_error"], weight),
        "r2": 1.0 - divide(totals["squared_error"], spread),
    }
