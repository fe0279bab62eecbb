"""How much worse live predictions are than those of the evaluation, beyond chance."""

import numpy as np

from pipeline.evaluation.comparison import Estimate
from pipeline.evaluation.options import Metric
from pipeline.monitoring.options import Quality

_Z = 1.959964  # of a 95% interval


def worsening(metric: Metric, live: Estimate, before: Estimate | None) -> Estimate | None:
    """How much worse the live value is, with the noise of both sides.

    AUC: before - live. RMSE: live / before - 1. The two sides are independent, so their standard
    errors, a quarter of a 95% interval each, add up by their squares.

    Args:
        metric: `auc` or `rmse`.
        live: now.
        before: in the evaluation.

    Returns:
        None where a side is not defined.

    Example:
        >>> worsening("auc", Estimate(value=0.70, lower=0.66, upper=0.74),
        ...           Estimate(value=0.80, lower=0.77, upper=0.83))
        Estimate(value=0.1, lower=0.05, upper=0.15)
    """
    if before is None or live.value is None or not before.value:
        return None
    error, error_before = _error(live), _error(before)
    if error is None or error_before is None:
        return None
    if metric == "rmse":
        value = live.value / before.value - 1.0
        noise = np.hypot(error, (1.0 + value) * error_before) / before.value
    else:
        value, noise = before.value - live.value, np.hypot(error, error_before)
    ends = (round(float(value + sign * _Z * noise), 12) for sign in (-1, 1))
    lower, upper = ends
    return Estimate(value=round(value, 12), lower=lower, upper=upper)


def _error(one: Estimate) -> float | None:
    """The standard error by which its interval is as wide as it is."""
    if one.lower is None or one.upper is None:
        return None
    return (one.upper - one.lower) / (2 * _Z)


def is_worse(metric: Metric, worse: Estimate | None, quality: Quality) -> bool:
    """Whether even the lower end of the worsening is above its threshold."""
    if worse is None or worse.lower is None:
        return False
    return worse.lower > (quality.rmse_rise if metric == "rmse" else quality.auc_drop)


def is_off(metric: Metric, live: Estimate, quality: Quality) -> bool:
    """Whether a calibration is outside of its band with its whole interval."""
    if metric != "calibration" or live.lower is None or live.upper is None:
        return False
    return live.upper < quality.calibration_lower or live.lower > quality.calibration_upper
