"""The factors: four affinities of a user with an item, which the known answer is made of.

Each is a smooth function of logged columns (z standardises, lz takes the logarithm first; a
missing number counts as average, 0):

    A  interest[segment, category] + 0.6 z(curiosity) novelty(tags)
    B  2 bend(lz(daily_minutes) lz(duration_seconds)) + screen[device] lz(duration_seconds)
    C  1.6 bend(z(quality) (1 + lz(account_days))) + 0.6 standing[segment, category]
    D  1.8 bend(z(age) lz(creator_followers)) + 0.7 warmth(tags),    bend(x) = tanh(0.6 x)
"""

import numpy as np

from transforms.simulator.columns import Array, Columns, words_of

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
