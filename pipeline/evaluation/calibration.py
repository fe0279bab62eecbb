"""Calibration curves: what happened, against what was predicted, in bins of equal count."""

import numpy as np

from pipeline.evaluation.figures import CalibrationBin
from pipeline.evaluation.rows import Floats
from transforms.tasks import TaskKind

_Z = 1.959964  # of a 95% interval
_MIN_EXAMPLES = 20


def calibration_curve(
    kind: TaskKind, labels: Floats, predictions: Floats, num_bins: int = 10
) -> tuple[CalibrationBin, ...]:
    """Sorts by prediction, cuts into bins of equal count and averages both sides.

    A well calibrated model's bins lie on the diagonal. Bins have at least 20 examples, so
    few examples make fewer bins.

    Args:
        kind: decides the interval: Wilson's for a share, the normal one for a mean.
        labels: [M].
        predictions: [M].
        num_bins: at most.

    Returns:
        Bins by rising prediction; none without examples.

    Example:
        >>> p = np.repeat([0.25, 0.75], 40)
        >>> y = np.tile([0, 0, 0, 1], 20).astype(float)
        >>> [b.mean_label for b in calibration_curve("classification", y, p, num_bins=2)]
        [0.25, 0.25]
    """
    size = len(labels)
    if size == 0:
        return ()
    order = np.argsort(predictions, kind="stable")
    num_bins = max(1, min(num_bins, size // _MIN_EXAMPLES))
    starts = np.arange(num_bins) * size // num_bins  # [num_bins]
    counts = np.diff(np.append(starts, size))
    label = np.add.reduceat(labels[order], starts) / counts
    prediction = np.add.reduceat(predictions[order], starts) / counts
    square = np.add.reduceat(labels[order] ** 2, starts) / counts
    if kind == "classification":
        lower, upper = _wilson(label, counts)
    else:
        error = _Z * np.sqrt(np.maximum(square - label**2, 0.0) / counts)
        lower, upper = label - error, label + error
    return tuple(
        CalibrationBin(mean_prediction=p, mean_label=y, lower=a, upper=b, examples=n)
        for p, y, a, b, n in zip(
            *(array.tolist() for array in (prediction, label, lower, upper, counts)), strict=True
        )
    )


def _wilson(share: Floats, counts: np.ndarray) -> tuple[Floats, Floats]:
    square = _Z**2 / counts
    centre = (share + square / 2) / (1 + square)
    error = _Z / (1 + square) * np.sqrt(share * (1 - share) / counts + square / (4 * counts))
    return np.maximum(centre - error, 0.0), np.minimum(centre + error, 1.0)
