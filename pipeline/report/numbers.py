"""Numbers as people read them. A missing one is an en dash, never `None` or `nan`."""

import math
from datetime import UTC, datetime

from pipeline.evaluation.comparison import Estimate
from pipeline.evaluation.options import Metric
from transforms.durations import format_seconds

MISSING = "–"
_MINUS = "−"
METRIC_NAMES: dict[Metric, str] = {
    "auc": "AUC",
    "gauc": "GAUC",
    "log_loss": "Log loss",
    "calibration": "Calibration",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}


def number(value: float | None, digits: int = 4) -> str:
    """A fixed number of decimals.

    Example:
        >>> number(-0.5, 2), number(None)
        ('−0.50', '–')
    """
    if value is None:
        return MISSING
    value = round(value, digits) + 0.0  # no minus sign before a zero
    text = f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", _MINUS)


def signed(value: float | None, digits: int = 4) -> str:
    """The same, with a plus sign.

    Example:
        >>> signed(0.01234), signed(0.0)
        ('+0.0123', '0.0000')
    """
    text = number(value, digits)
    return f"+{text}" if value is not None and float(f"{value:.{digits}f}") > 0 else text


def bounds(estimate: Estimate, digits: int = 4) -> str:
    """The interval, empty where it is undefined.

    Example:
        >>> bounds(Estimate(value=0.0, lower=-0.01, upper=0.01), digits=2)
        '−0.01 to +0.01'
    """
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{signed(estimate.lower, digits)} to {signed(estimate.upper, digits)}"


def span(estimate: Estimate, digits: int = 4) -> str:
    """The interval of a value, without signs.

    Example:
        >>> span(Estimate(value=0.7, lower=0.69, upper=0.71), digits=2)
        '0.69 to 0.71'
    """
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{number(estimate.lower, digits)} to {number(estimate.upper, digits)}"


def count(value: float | None) -> str:
    """A whole number with its thousands apart.

    Example:
        >>> count(1234567)
        '1,234,567'
    """
    return MISSING if value is None else f"{value:,.0f}".replace("-", _MINUS)


def short(value: float | None) -> str:
    """Three significant digits and a unit.

    Example:
        >>> short(1234567), short(950), short(0.00012)
        ('1.23 M', '950', '0.00012')
    """
    if value is None:
        return MISSING
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share of 1 in percent; what rounds to 0 or 100 but is not, says so.

    Example:
        >>> percent(0.25), percent(0.001), percent(0.9999)
        ('25%', '<1%', '>99%')
    """
    if share is None:
        return MISSING
    text = f"{100 * share:.{digits}f}"
    smallest = 10.0**-digits
    if share > 0 and float(text) == 0:
        return f"<{smallest:.{digits}f}%"
    if share < 1 and float(text) == 100:
        return f">{100 - smallest:.{digits}f}%"
    return f"{text}%".replace("-", _MINUS)


def weight(value: float) -> str:
    """A gate's weight in two decimals, nothing for 0.

    Example:
        >>> weight(0.421), weight(0.0), weight(0.0004)
        ('.42', '', '<.01')
    """
    if value <= 0:
        return ""
    if value < 0.005:
        return "<.01"
    text = f"{value:.2f}"
    return text if value >= 0.995 else text[1:]


def moment(value: str | None) -> str:
    """A time in ISO-8601 with its zone, in UTC to the minute; other text as it is.

    Example:
        >>> moment("2022-04-25T02:00:07.120+02:00"), moment("yesterday")
        ('2022-04-25 00:00 UTC', 'yesterday')
    """
    if value is None:
        return MISSING
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return value
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time.tzinfo else value


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours.

    Example:
        >>> duration(95), duration(None)
        ('1 min 35 s', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    return format_seconds(seconds)
