"""Draws what users did with their impressions, what of it was logged, and the labels."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from transforms.simulator.columns import Array, Columns
from transforms.simulator.factors import standard_score
from transforms.simulator.responses import (
    LONG_WATCH_SECONDS,
    RESPONSES,
    SURVEY_ANSWERED,
    SURVEY_NOISE,
    WATCH_NOISE,
)

TICKS_PER_SECOND = 16
"""The player reports whole sixteenths of a second, so that parts of a watch add up exactly."""

_BINARY = ("click", "like", "share", "hide")


class Outcome(NamedTuple):
    """One event over n impressions.

    Attributes:
        value: what the user did, [n], NaN where the event did not happen.
        is_lost: whether a feedback row would never arrive, [n].
        is_late: whether it would arrive after the window, [n].
    """

    value: Array
    is_lost: Array
    is_late: Array

    @property
    def counted(self) -> Array:
        """The value where feedback is inside its window, NaN elsewhere, [n]."""
        return np.where(self.is_lost | self.is_late, np.nan, self.value)


def draw_outcomes(
    rng: np.random.Generator, columns: Columns, eta: dict[str, Array]
) -> dict[str, Outcome]:
    """Draws every response, and independently whether its feedback is lost or late.

    Args:
        rng: source of randomness.
        columns: the impressions' columns, n rows.
        eta: from `world.locations`.

    Returns:
        Event -> outcome.
    """
    size = len(eta["click"])
    values = {event: _flag(rng.random(size) < expit(eta[event])) for event in _BINARY}
    returned = rng.random(size) < expit(eta["bad_click"])
    values["bad_click"] = np.where(returned, values["click"], np.nan)
    values["watch_seconds"] = _draw_watch(rng, eta["watch_seconds"])
    values["survey"] = _draw_survey(rng, columns, eta["survey"])
    return {
        event: Outcome(
            values[event],
            is_lost=rng.random(size) < response.loss,
            is_late=rng.random(size) < response.late,
        )
        for event, response in RESPONSES.items()
    }


def labels_of(outcomes: dict[str, Outcome]) -> dict[str, Array]:
    """The labels that the demo preset's tasks make of the outcomes.

    Returns:
        Task -> [n], NaN where the label does not exist.
    """
    counted = {event: outcome.counted for event, outcome in outcomes.items()}
    watched = np.nan_to_num(counted.pop("watch_seconds"))
    survey = counted.pop("survey")
    labels = {event: np.nan_to_num(value) for event, value in counted.items()}
    labels["long_watch"] = (watched >= LONG_WATCH_SECONDS).astype(np.float64)
    labels["watch_seconds"] = np.log1p(watched)
    labels["survey"] = survey
    return labels


def _flag(happened: Array) -> Array:
    return np.where(happened, 1.0, np.nan)


def _draw_watch(rng: np.random.Generator, eta: Array) -> Array:
    seconds = np.expm1(np.maximum(rng.normal(eta, WATCH_NOISE), 0.0))
    ticks = np.floor(seconds * TICKS_PER_SECOND)
    watch: Array = np.where(ticks > 0, ticks / TICKS_PER_SECOND, np.nan)
    return watch


def _draw_survey(rng: np.random.Generator, columns: Columns, eta: Array) -> Array:
    rating = np.clip(np.rint(rng.normal(eta, SURVEY_NOISE)), 1, 5)
    willing = SURVEY_ANSWERED + 0.1 * np.tanh(standard_score(columns, "account_days"))
    answer: Array = np.where(rng.random(len(eta)) < willing, rating, np.nan)
    return answer
