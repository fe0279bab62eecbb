"""Movies that a user never rated, drawn the same way on every machine."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.rows.arrays import Ints
from transforms.ingest.rows.hashing import Hashes, finalise, hash_text

_USERS_A_TIME = 256
_LAST = np.uint64(2**64 - 1)


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
    user_hashes, item_hashes = hash_text(encoded.dictionary), hash_text(universe)
    # Rows by user and time, and where each user's rows begin.
    rows = np.lexsort((lines, order, user))
    first = np.searchsorted(user[rows], np.arange(len(user_hashes) + 1))
    of_line = np.full(int(lines.max(initial=0)) + 1, -1, dtype=np.int64)
    for start in range(0, len(user_hashes), _USERS_A_TIME):
        end = min(start + _USERS_A_TIME, len(user_hashes))
        some = rows[first[start] : first[end]]
        turn = np.arange(first[start], first[end]) - first[user[some]]
        ranked = _rank_unrated(user_hashes[start:end], item_hashes, user[some] - start, item[some])
        of_line[lines[some]] = ranked[user[some] - start, np.minimum(turn, len(universe) - 1)]
        of_line[lines[some[turn >= len(universe)]]] = -1
    return Negatives(universe, of_line)


def _rank_unrated(users: Hashes, items: Hashes, rated_by: Ints, rated: Ints) -> Ints:
    """For each user the items by rising hash, -1 in place of those it rated, which are last.

    Args:
        users: hashes, [u].
        items: hashes, [i].
        rated_by: place of a user in [0, u) for each rating.
        rated: place of its item in [0, i).

    Returns:
        int64 [u, i].
    """
    is_rated = np.zeros((len(users), len(items)), dtype=bool)
    is_rated[rated_by, rated] = True
    hashes = finalise(users[:, None] ^ finalise(items)[None, :])
    # Shifted, so that no item's hash reaches the one that stands for rated.
    ranked = np.argsort(np.where(is_rated, _LAST, hashes >> np.uint64(1)), axis=1, kind="stable")
    unrated = len(items) - is_rated.sum(axis=1)
    return np.where(np.arange(len(items)) < unrated[:, None], ranked, -1)
