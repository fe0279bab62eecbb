"""Draws the requests of a part of a day: who saw what, when, where on the page."""

from typing import NamedTuple

import numpy as np

from transforms.examples import POSITION
from transforms.simulator.catalogue import CANDIDATES, Catalogue
from transforms.simulator.columns import Array, words_of
from transforms.simulator.world import DAY_MS

_HOUR_MS = 3_600_000
_DEVICE_SHARES = (0.6, 0.1, 0.2, 0.1)
_ORDER_NOISE = 2.0
# How busy each hour of the day is: quiet nights, a full evening.
_BUSY = np.array([3, 2, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 9, 10, 10, 8, 5])


class Impressions(NamedTuple):
    """n impressions in order of time, the candidates of a request side by side.

    Attributes:
        request: number of the request, [n].
        user: number of the user, [n].
        item: number of the item, [n].
        timestamp: milliseconds since the epoch, [n].
        columns: log column -> [n] (tags [n, TAGS_PER_ITEM]), with `position`.
    """

    request: Array
    user: Array
    item: Array
    timestamp: Array
    columns: dict[str, Array]

    def __len__(self) -> int:
        return len(self.request)


def draw_impressions(
    rng: np.random.Generator,
    catalogue: Catalogue,
    first_request: int,
    size: int,
    day: int,
    slot: tuple[float, float],
) -> Impressions:
    """Draws requests of CANDIDATES impressions; the last request may be shorter.

    The candidates are ordered as an earlier ranker might have: popular creators rather
    first, with much noise. So position and popularity go together in the logs.

    Args:
        rng: source of randomness.
        catalogue: who can be shown what.
        first_request: number of the first request.
        size: n.
        day: since the epoch.
        slot: which part of the day's requests these are, for example (0.0, 0.5).
    """
    requests = -(-size // CANDIDATES)
    item = _draw_items(rng, catalogue, requests)  # [requests, CANDIDATES]
    timestamp = day * DAY_MS + _draw_times(rng, requests, slot)
    context = {
        "device": rng.choice(len(_DEVICE_SHARES), requests, p=_DEVICE_SHARES).astype(np.int8),
        "network": rng.integers(0, len(words_of("network")), requests, dtype=np.int8),
        "hour": timestamp // _HOUR_MS % 24,
    }
    user = np.searchsorted(catalogue.user_shares(), rng.random(requests), side="right")
    owner = np.repeat(np.arange(requests), CANDIDATES)[:size]
    columns = {name: values[owner] for name, values in context.items()}
    item = item.reshape(-1)[:size]
    columns |= {name: values[user[owner]] for name, values in catalogue.users.items()}
    columns |= {name: values[item] for name, values in catalogue.items.items()}
    columns[POSITION] = np.tile(np.arange(1, CANDIDATES + 1), requests)[:size]
    return Impressions(
        first_request + owner,
        catalogue.user_ids[user[owner]],
        catalogue.item_ids[item],
        timestamp[owner],
        columns,
    )


def _draw_items(rng: np.random.Generator, catalogue: Catalogue, requests: int) -> Array:
    """Different items a request, one of each part of the catalogue, in the shown order."""
    shares = catalogue.item_shares()
    parts, part_size = shares.shape
    uniform = rng.random((parts, requests))
    item = np.stack(
        [
            part * part_size + np.searchsorted(shares[part], uniform[part], "right")
            for part in range(parts)
        ],
        axis=1,
    )  # [requests, CANDIDATES]
    popularity = np.log(catalogue.items["creator_followers"])[item]
    order = (rng.normal(0.0, _ORDER_NOISE, item.shape) - popularity).argsort(axis=1)
    return np.take_along_axis(item, order, axis=1)


def _draw_times(rng: np.random.Generator, requests: int, slot: tuple[float, float]) -> Array:
    low, high = slot
    shares = np.concatenate([[0.0], np.cumsum(_BUSY) / _BUSY.sum()])
    uniform = np.sort(low + (high - low) * rng.random(requests))
    milliseconds = np.interp(uniform, shares, np.arange(25) * _HOUR_MS)
    return np.minimum(milliseconds.astype(np.int64), DAY_MS - 1)
