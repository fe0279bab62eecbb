"""MovieLens as two tasks: was the movie watched, and how was it rated?"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import InputError
from transforms.ingest.adapters.movielens import MovieLensLogs
from transforms.ingest.reading.csv_blocks import read_csv_file
from transforms.listing import list_files

Ints = npt.NDArray[np.int64]
_COLUMNS = ("user_id", "item_id", "rating")


class Ratings(NamedTuple):
    """Ratings [N] of users in [0, num_users) and movies in [0, num_items)."""

    users: Ints
    items: Ints
    ratings: npt.NDArray[np.float32]
    num_users: int
    num_items: int


class Split(NamedTuple):
    """Pairs of a user and a movie, [B] each; the rating is 0 where nobody watched."""

    users: Ints
    items: Ints
    ratings: npt.NDArray[np.float32]

    @property
    def watched(self) -> npt.NDArray[np.float32]:
        """1 where the pair is a rating, 0 where it was drawn."""
        return (self.ratings > 0).astype(np.float32)


@cache
def read_ratings(folder: Path) -> Ratings:
    """Reads the one file of ratings in a folder: u.data, ratings.dat or *.inter.

    Only users and movies with a rating are known.

    Raises:
        InputError: if there is no such file, or several, or a row is no rating.
    """
    log = MovieLensLogs.find(str(folder), list_files(str(folder))).logs[0]
    assert log.dialect is not None
    batches = list(read_csv_file(log.path, log.dialect, frozenset(_COLUMNS)))
    refused = [refusal for batch in batches for refusal in batch.refused]
    if refused:
        raise InputError(f"{log.path}, line {refused[0].row}: {refused[0].detail}")
    text = [pa.chunked_array([b.column(name) for b in batches], pa.string()) for name in _COLUMNS]
    try:
        ratings = pc.cast(text[2], pa.float32())
    except pa.ArrowInvalid as error:
        raise InputError(f"{log.path}: `rating` must be a number: {error}") from None
    if any(column.null_count for column in (*text[:2], ratings)) or not len(ratings):
        raise InputError(f"{log.path}: every row must have a user, a movie and a rating")
    wrong = ratings.filter(pc.invert(pc.and_(pc.greater(ratings, 0), pc.is_finite(ratings))))
    if len(wrong):
        raise InputError(f"{log.path}: `rating` must be finite and above 0. Received: {wrong[0]}")
    users, items = (_number(column) for column in text[:2])
    sizes = int(users.max()) + 1, int(items.max()) + 1
    return Ratings(users, items, ratings.to_numpy(), *sizes)


def make_splits(ratings: Ratings, seed: int) -> list[Split]:
    """80% training, 10% validation and 10% test of the ratings and as many pairs without one.

    Args:
        ratings: all of them.
        seed: of the drawn pairs and of the split.
    """
    rng = np.random.default_rng(seed)
    users, items = draw_unrated(ratings, rng)
    every = (
        np.concatenate([ratings.users, users]),
        np.concatenate([ratings.items, items]),
        np.concatenate([ratings.ratings, np.zeros(len(users), np.float32)]),
    )
    order = rng.permutation(len(every[0]))
    parts = np.split(order, [len(order) * 8 // 10, len(order) * 9 // 10])
    return [Split(*(column[part] for column in every)) for part in parts]


def draw_unrated(ratings: Ratings, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """As many pairs as there are ratings, uniform over all pairs without one, none twice.

    Raises:
        InputError: if there are fewer such pairs than ratings.

    Example:
        >>> rated = Ratings(np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), 2, 2)
        >>> users, items = draw_unrated(rated, np.random.default_rng(0))
        >>> sorted(zip(users.tolist(), items.tolist()))
        [(0, 1), (1, 0)]
    """
    num_pairs, wanted = ratings.num_users * ratings.num_items, len(ratings.ratings)
    rated = np.unique(ratings.users * ratings.num_items + ratings.items)
    if num_pairs - len(rated) < wanted:
        raise InputError(
            "there must be as many pairs without a rating as ratings. Received: "
            f"{num_pairs - len(rated)} of {num_pairs} pairs, {wanted} ratings"
        )
    # The place of a pair among the unrated ones, then its code among all: each rated code
    # before it pushes it on by one.
    places = rng.choice(num_pairs - len(rated), wanted, replace=False, shuffle=False)
    gaps = rated - np.arange(len(rated))
    codes = places + np.searchsorted(gaps, places, side="right")
    users, items = np.divmod(codes, ratings.num_items)
    return users, items


def _number(words: pa.ChunkedArray) -> Ints:
    """Words -> numbers from 0, by the order in which the words appear."""
    codes: Ints = words.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes
