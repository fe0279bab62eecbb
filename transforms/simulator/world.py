"""The simulated world: from what the logs show to what users do, exactly.

**Factors.** Four affinities of a user with an item, each a smooth function of logged columns
(z standardises, lz takes the logarithm first; a missing number counts as average, 0):

    A  interest[segment, category] + 0.6 z(curiosity) novelty(tags)
    B  2 bend(lz(daily_minutes) lz(duration_seconds)) + screen[device] lz(duration_seconds)
    C  1.6 bend(z(quality) (1 + lz(account_days))) + 0.6 standing[segment, category]
    D  1.8 bend(z(age) lz(creator_followers)) + 0.7 warmth(tags),    bend(x) = tanh(0.6 x)

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
from transforms.simulator.columns import Array, Columns, words_of
from transforms.simulator.responses import (
    LONG_WATCH_SECONDS,
    RESPONSES,
    SURVEY_NOISE,
    TASKS,
    WATCH_NOISE,
)

# Column -> mean and standard deviation, of the logarithm where the column is log-normal.
SCALES = {
    "age": (38.0, 13.0),
    "curiosity": (50.0, 15.0),
    "quality": (6.0, 1.5),
    "daily_minutes": (np.log(45.0), 0.8),
    "account_days": (np.log(300.0), 1.0),
    "duration_seconds": (np.log(60.0), 0.9),
    "creator_followers": (np.log(2000.0), 1.8),
}
LOG_NORMAL = frozenset({"daily_minutes", "account_days", "duration_seconds", "creator_followers"})

_SCREEN = np.array([-0.5, 0.0, 0.2, 0.8])  # tv watches long items, phones short ones
_EVENING_PEAK = 21
DAY_MS = 86_400_000


def _table(seed: int) -> Array:
    """A segment x category table of rank 2, mean 0 and variance 1."""
    rng = np.random.default_rng(seed)
    segments, categories = len(words_of("segment")), len(words_of("category"))
    table = rng.normal(size=(segments, 2)) @ rng.normal(size=(2, categories))
    return _standardise(table)


def _standardise(values: Array) -> Array:
    scaled: Array = (values - values.mean()) / values.std()
    return scaled


def _tag_weights(seed: int) -> Array:
    """A weight a tag, mean 0; the mean over an item's tags has variance near 1."""
    weights = np.random.default_rng(seed).normal(size=len(words_of("tags")))
    return _standardise(weights) * 1.4


_INTEREST, _STANDING = _table(1), _table(2)
_NOVELTY, _WARMTH = _tag_weights(3), _tag_weights(4)


def standard_score(columns: Columns, name: str) -> Array:
    """z(column), lz(column) if it is log-normal; 0 where the value is missing.

    Returns:
        [n].
    """
    mean, deviation = SCALES[name]
    values = np.log(columns[name]) if name in LOG_NORMAL else columns[name]
    scores: Array = np.nan_to_num((values - mean) / deviation, nan=0.0)
    return scores


def affinities(columns: Columns) -> Array:
    """The factors A, B, C, D of each impression.

    Args:
        columns: the log's columns, as `columns.from_arrow` gives them, n rows.

    Returns:
        [n, 4].
    """
    z = {name: standard_score(columns, name) for name in SCALES}
    pair = (columns["segment"], columns["category"])
    length = z["duration_seconds"]
    interest = _INTEREST[pair] + 0.6 * z["curiosity"] * _tag_mean(columns, _NOVELTY)
    fit = 2 * _bend(z["daily_minutes"] * length) + _SCREEN[columns["device"]] * length
    quality = 1.6 * _bend(z["quality"] * (1 + z["account_days"])) + 0.6 * _STANDING[pair]
    trust = 1.8 * _bend(z["age"] * z["creator_followers"]) + 0.7 * _tag_mean(columns, _WARMTH)
    return np.stack([interest, fit, quality, trust], axis=1)


def _bend(product: Array) -> Array:
    bent: Array = np.tanh(0.6 * product)
    return bent


def _tag_mean(columns: Columns, weights: Array) -> Array:
    tags = columns["tags"]  # [n, TAGS_PER_ITEM], -1 where the item has fewer
    total = np.append(weights, 0.0)[tags].sum(axis=1)
    mean: Array = total / np.maximum((tags >= 0).sum(axis=1), 1)
    return mean


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
