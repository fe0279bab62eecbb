"""The simulated world: from what the logs show to what users do, exactly.

An impression has the factors A to D, which `factors` makes of logged columns; z and lz stand
for the same as there.

**Responses.** Each event of `RESPONSES` has the location

    eta = bias + sum_f weight_f f - position_bias log(position)
          + evening cos(2 pi (hour - 21) / 24) + device[device]

and comes about as

    click, like, share, hide     with probability sigmoid(eta)
    bad_click                    with probability sigmoid(eta) after a click, else never
    watch_seconds                expm1(max(L, 0)),          L ~ Normal(eta, WATCH_NOISE),
                                 in whole sixteenths of a second
    survey                       round(R) clipped to 1..5,  R ~ Normal(eta, SURVEY_NOISE),
                                 answered with SURVEY_ANSWERED + 0.1 tanh(lz(account_days))

**Best predictions.** With kept = (1 - loss) (1 - late), the probability that feedback arrives
inside its window, s the noise, and Phi, phi the standard normal distribution and density:

    click, like, share, hide     kept sigmoid(eta)
    bad_click                    kept sigmoid(eta_click) sigmoid(eta)
    long_watch                   kept Phi((eta - log(1 + 40)) / s)
    watch_seconds                kept (eta Phi(eta / s) + s phi(eta / s)), the mean of log1p
    survey                       1 + sum_{r=2..5} Phi((eta - (r - 1/2)) / s), where answered

An id has no effect beyond its columns, so no prediction from the logs is better than these.
"""

from datetime import date

import numpy as np
from scipy.special import expit, ndtr

from transforms.examples import POSITION
from transforms.simulator.columns import Array, Columns
from transforms.simulator.factors import affinities
from transforms.simulator.responses import (
    LONG_WATCH_SECONDS,
    RESPONSES,
    SURVEY_NOISE,
    TASKS,
    WATCH_NOISE,
)

_EVENING_PEAK = 21
DAY_MS = 86_400_000


def epoch_day(day: date) -> int:
    """Days since the epoch.

    Example:
        >>> epoch_day(date(1970, 1, 3))
        2
    """
    return day.toordinal() - date(1970, 1, 1).toordinal()


def remaining_b(timestamp: Array, first_day: date, drift: float) -> Array:
    """What drift leaves of factor B: 1 on the first day, `drift` less each day, at least 0.

    Args:
        timestamp: milliseconds since the epoch, [n].
        first_day: UTC.
        drift: a day.

    Returns:
        [n].
    """
    remaining: Array = np.maximum(1.0 - drift * (timestamp // DAY_MS - epoch_day(first_day)), 0.0)
    return remaining


def locations(columns: Columns, remaining: Array) -> dict[str, Array]:
    """eta of each response.

    Args:
        columns: the log's columns with `position`, n rows.
        remaining: what drift leaves of factor B, [n].

    Returns:
        Event -> [n].
    """
    factors = affinities(columns)
    factors[:, 1] *= remaining
    log_position = np.log(columns[POSITION])
    evening = np.cos(2 * np.pi * (columns["hour"] - _EVENING_PEAK) / 24)
    return {
        event: response.bias
        + factors @ np.array(response.weights)
        - response.position_bias * log_position
        + response.evening * evening
        + np.array(response.device)[columns["device"]]
        for event, response in RESPONSES.items()
    }


def best_of(eta: dict[str, Array]) -> dict[str, Array]:
    """The best prediction of each task: a probability, or a mean in the label's space.

    Args:
        eta: from `locations`, event -> [n].

    Returns:
        Task -> [n].
    """
    watch = eta["watch_seconds"] / WATCH_NOISE
    enough = np.log1p(LONG_WATCH_SECONDS) / WATCH_NOISE
    density = np.exp(-0.5 * watch**2) / np.sqrt(2 * np.pi)
    given = {event: expit(eta[event]) for event in ("click", "like", "share", "hide")}
    given["bad_click"] = given["click"] * expit(eta["bad_click"])
    given["long_watch"] = ndtr(watch - enough)
    given["watch_seconds"] = WATCH_NOISE * (watch * ndtr(watch) + density)
    best = {task: given[task] * TASKS[task].response.kept for task in TASKS if task in given}
    best["survey"] = mean_rating(eta["survey"])
    return best


def mean_rating(eta: Array) -> Array:
    """The mean of a normal rating rounded to whole numbers and clipped to 1..5, [n]."""
    edges = np.arange(1.5, 5.0)
    rating: Array = 1.0 + ndtr((eta[:, None] - edges) / SURVEY_NOISE).sum(axis=1)
    return rating
