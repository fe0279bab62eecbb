"""The users and items of a simulation, drawn from the seed."""

from typing import NamedTuple

import numpy as np

from transforms.simulator.columns import (
    ITEM_COLUMNS,
    TAGS_PER_ITEM,
    USER_COLUMNS,
    Array,
    words_of,
)
from transforms.simulator.factors import LOG_NORMAL, SCALES

CANDIDATES = 10
"""Candidates a request."""

_IMPRESSIONS_PER_USER = 25
_IMPRESSIONS_PER_ITEM = 40
_MAX_USERS = 1_000_000
_MAX_ITEMS = 200_000
_SEGMENT_SHARES = (0.25, 0.2, 0.2, 0.15, 0.1, 0.1)
# Column -> decimals, smallest and largest value of what the logs write.
_ROUNDING = {
    "age": (0, 13, 90),
    "curiosity": (1, 0, 100),
    "quality": (2, 0, 10),
    "daily_minutes": (1, 0.1, 1440),
    "account_days": (0, 1, 10_000),
    "duration_seconds": (1, 1, 36_000),
    "creator_followers": (0, 1, 10**9),
}
_MISSING = {"curiosity": 0.1, "quality": 0.05}
_ACTIVITY_SPREAD = 0.8
_POPULARITY_OF_FOLLOWERS = 0.25


class Catalogue(NamedTuple):
    """Who can be shown what.

    Attributes:
        users: column -> [num_users].
        items: column -> [num_items]; tags [num_items, TAGS_PER_ITEM].
        activity: of the users, [num_users].
        user_ids: numbers of the users, [num_users].
        item_ids: numbers of the items, [num_items].
    """

    users: dict[str, Array]
    items: dict[str, Array]
    activity: Array
    user_ids: Array
    item_ids: Array

    def user_shares(self) -> Array:
        """Cumulative activity, [num_users], the last is 1."""
        return _shares(self.activity)

    def item_shares(self) -> Array:
        """Cumulative popularity in each of CANDIDATES equal parts of the items.

        Returns:
            [CANDIDATES, num_items / CANDIDATES], the last of each row is 1.
        """
        popularity = self.items["creator_followers"] ** _POPULARITY_OF_FOLLOWERS
        return _shares(popularity.reshape(CANDIDATES, -1))


def draw_catalogue(rng: np.random.Generator, impressions: int) -> Catalogue:
    """Draws as many users and items as suit so many impressions.

    Args:
        rng: source of randomness.
        impressions: size of the logs.
    """
    num_users = int(np.clip(impressions // _IMPRESSIONS_PER_USER, 20, _MAX_USERS))
    num_items = int(np.clip(impressions // _IMPRESSIONS_PER_ITEM, 50, _MAX_ITEMS))
    num_items -= num_items % CANDIDATES
    users = _draw_users(rng, num_users)
    items = _draw_items(rng, num_items)
    activity = rng.lognormal(0.0, _ACTIVITY_SPREAD, num_users)
    return Catalogue(users, items, activity, np.arange(num_users), np.arange(num_items))


def renew_catalogue(rng: np.random.Generator, catalogue: Catalogue, churn: float) -> Catalogue:
    """The catalogue of the next day: some users and items left, as many new ones came.

    Args:
        rng: source of randomness.
        catalogue: of the day before.
        churn: share of the users and of the items that leave.
    """
    num_users, num_items = len(catalogue.user_ids), len(catalogue.item_ids)
    left_users, left_items = rng.random(num_users) < churn, rng.random(num_items) < churn
    came = rng.lognormal(0.0, _ACTIVITY_SPREAD, num_users)
    return Catalogue(
        _replace(catalogue.users, _draw_users(rng, num_users), left_users),
        _replace(catalogue.items, _draw_items(rng, num_items), left_items),
        np.where(left_users, came, catalogue.activity),
        _number_new(catalogue.user_ids, left_users),
        _number_new(catalogue.item_ids, left_items),
    )


def _replace(before: dict[str, Array], drawn: dict[str, Array], left: Array) -> dict[str, Array]:
    return {
        name: np.where(left if values.ndim == 1 else left[:, None], drawn[name], values)
        for name, values in before.items()
    }


def _number_new(ids: Array, left: Array) -> Array:
    """No number comes again."""
    numbered: Array = ids.copy()
    numbered[left] = ids.max() + 1 + np.arange(left.sum())
    return numbered


def _shares(weights: Array) -> Array:
    cumulative = np.cumsum(weights, axis=-1)
    shares: Array = cumulative / cumulative[..., -1:]
    return shares


def _draw_users(rng: np.random.Generator, size: int) -> dict[str, Array]:
    segments = len(words_of("segment"))
    drawn = {
        "segment": rng.choice(segments, size, p=_SEGMENT_SHARES).astype(np.int8),
        "zodiac": rng.integers(0, len(words_of("zodiac")), size, dtype=np.int8),
    }
    numbers = [name for name in USER_COLUMNS if name not in drawn]
    return drawn | {name: _draw_number(rng, name, size) for name in numbers}


def _draw_items(rng: np.random.Generator, size: int) -> dict[str, Array]:
    drawn = {
        "category": rng.integers(0, len(words_of("category")), size, dtype=np.int8),
        "tags": _draw_tags(rng, size),
        "checksum": np.round(rng.random(size), 4),
    }
    numbers = [name for name in ITEM_COLUMNS if name not in drawn]
    return drawn | {name: _draw_number(rng, name, size) for name in numbers}


def _draw_number(rng: np.random.Generator, name: str, size: int) -> Array:
    values = rng.normal(*SCALES[name], size=size)
    if name in LOG_NORMAL:
        values = np.exp(values)
    decimals, low, high = _ROUNDING[name]
    values = np.clip(np.round(values, decimals), low, high)
    missing = rng.random(size) < _MISSING.get(name, 0.0)
    drawn: Array = np.where(missing, np.nan, values)
    return drawn


def _draw_tags(rng: np.random.Generator, size: int) -> Array:
    """0 to TAGS_PER_ITEM different tags an item, [size, TAGS_PER_ITEM], -1 where fewer."""
    order = rng.random((size, len(words_of("tags")))).argsort(axis=1)[:, :TAGS_PER_ITEM]
    count = rng.integers(0, TAGS_PER_ITEM + 1, size)
    return np.where(np.arange(TAGS_PER_ITEM) < count[:, None], order, -1).astype(np.int8)
