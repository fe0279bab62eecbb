"""Movies that a user never rated, drawn the same way on every machine."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.hashing import Hashes, finalise, hash_text
from transforms.ingest.rows import Ints

_USERS_A_TIME = 256


@dataclass(frozen=True)
class Negatives:
    """One drawn item for each row of ratings.

    Attributes:
        items: ids of all items, sorted.
        of_line: place in `items` for each line of the file, -1 where there is none.
    """

    items: pa.Array
    of_line: Ints

    def of_lines(self, lines: Ints) -> Ints:
        """Place in `items` of the item drawn for each line [n], or -1."""
        if not len(self.of_line):
            return np.full(len(lines), -1, dtype=np.int64)
        inside = np.minimum(lines, len(self.of_line) - 1)
        return np.where(lines < len(self.of_line), self.of_line[inside], -1)


def sample_negatives(
    users: pa.Array, items: pa.Array, order: Ints, lines: Ints, known_items: pa.Array
) -> Negatives:
    """Draws for each rating an item that its user rated nowhere, each item once a user.

    Of a user's unrated items those with the smallest hash of (user, item) are drawn: as
    many as the user has ratings, or all of them if there are fewer. The user's ratings
    get them by rising `order`.

    Args:
        users: text [n].
        items: text [n].
        order: the time of each rating, int64 [n].
        lines: the line of each rating, int64 [n].
        known_items: ids of items, rated or not; text.
    """
    universe = pc.unique(pa.concat_arrays([items, known_items.drop_null()]))
    universe = universe.take(pc.sort_indices(universe))
    item = pc.index_in(items, value_set=universe).to_numpy().astype(np.int64)
    encoded = users.dictionary_encode()
    user = encoded.indices.to_numpy().astype(np.int64)
    ranking = np.lexsort((lines, order, user))
    first = np.searchsorted(user[ranking], np.arange(len(encoded.dictionary) + 1))
    user_hashes, item_hashes = hash_text(encoded.dictionary), hash_text(universe)
    of_line = np.full(int(lines.max(initial=0)) + 1, -1, dtype=np.int64)
    for start in range(0, len(user_hashes), _USERS_A_TIME):
        end = min(start + _USERS_A_TIME, len(user_hashes))
        rows = ranking[first[start] : first[end]]
        rated = np.zeros((end - start, len(universe)), dtype=bool)
        rated[user[rows] - start, item[rows]] = True
        drawn = _rank_unrated(user_hashes[start:end], item_hashes, rated)
        turn = np.arange(len(rows)) - (first[user[rows]] - first[start])
        has_one = turn < (~rated).sum(axis=1)[user[rows] - start]
        chosen = drawn[user[rows] - start, np.minimum(turn, len(universe) - 1)]
        of_line[lines[rows]] = np.where(has_one, chosen, -1)
    return Negatives(universe, of_line)


def _rank_unrated(users: Hashes, items: Hashes, rated: np.ndarray) -> Ints:
    """Items by rising hash, the rated ones last, int64 [users, items]."""
    hashes = finalise(users[:, None] ^ finalise(items)[None, :])
    hashes[rated] = np.iinfo(np.uint64).max
    return np.argsort(hashes, axis=1, kind="stable")
