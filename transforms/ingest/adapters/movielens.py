"""MovieLens (Harper and Konstan, 2015): ml-100k, ml-1m, and RecBole's copies of them.

Every rating is an impression with the events `watch` (1) and `rating` (1 to 5). Ratings
alone would leave `watch` without negatives, so each user also gets as many movies that
they never rated: impressions without events, at the time of one of the user's ratings.
A `last` label on `rating` does not exist there. One negative a rating is what gives the
two million examples that DSelect-k (Hazimeh et al., 2021, section 4.1) has from the one
million ratings of ml-1m.

The request is the user at one second: `<user_id>-<timestamp>`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import InputError
from transforms.examples import ITEM_ID, KEYS, REQUEST_ID, TIMESTAMP, USER_ID
from transforms.ingest.adapters.base import Convert, LogFile, require
from transforms.ingest.adapters.movielens_files import FORMATS, Format, find_side
from transforms.ingest.adapters.negatives import Negatives, sample_negatives
from transforms.ingest.adapters.side_tables import SideTable
from transforms.ingest.casting.numbers import parse_numbers
from transforms.ingest.reading.csv_blocks import read_csv_file
from transforms.ingest.reading.raw import RawBatch
from transforms.logs import TimeUnit

_RATINGS = ("user_id", "item_id", "rating", "timestamp")
_SIDES = frozenset({"age", "gender", "occupation", "zip_code", "title", "release_year", "genres"})
_DRAWN = ("user_id", "item_id", "timestamp", "line")


@dataclass(frozen=True)
class MovieLensLogs:
    """Reads `u.data`, `u.user`, `u.item`; or the three `*.dat`; or `*.inter`, `*.user`, `*.item`.

    Attributes:
        logs: the one file of ratings.
        format: which form the files have.
        users: path of the users' file, if there is one.
        items: path of the movies' file, if there is one.
    """

    logs: tuple[LogFile, ...]
    format: Format
    users: str | None
    items: str | None
    unit: TimeUnit = "s"
    events: tuple[str, ...] = ("rating", "watch")

    @classmethod
    def find(cls, folder: str, files: Mapping[str, str]) -> "MovieLensLogs":
        """Picks the files of one data set in a folder.

        Raises:
            InputError: if there is no file of ratings, or several.
        """
        stems = {(name, form): form.match(name) for name in files for form in FORMATS}
        found = [(*key, stem) for key, stem in stems.items() if stem]
        if len(found) != 1:
            names = [name for name, _, _ in found] or list(files)[:5]
            raise InputError(
                f"{folder}: must hold one file of ratings: u.data, ratings.dat or *.inter. "
                f"Received: {names}"
            )
        name, form, stem = found[0]
        log = LogFile("impressions", name, files[name], form.ratings)
        users, items = (find_side(side[0], stem, name, files) for side in (form.users, form.items))
        return cls((log,), form, users, items)

    def offers(self, path: str, columns: frozenset[str]) -> frozenset[str]:
        require(path, columns, _RATINGS)
        return _SIDES | {*KEYS}

    def reads(self, wanted: frozenset[str]) -> frozenset[str]:
        return frozenset(_RATINGS)

    def open(self, wanted: frozenset[str]) -> Convert:
        users = self.format.read_users(self.users)
        items = self.format.read_items(self.items)
        return _Expand(users, items, _draw_negatives(self.logs[0], items.ids))


@dataclass(frozen=True)
class _Expand:
    """Puts the drawn movies after the ratings and joins users and movies to all of them."""

    users: SideTable
    items: SideTable
    negatives: Negatives

    def __call__(self, batch: RawBatch) -> RawBatch:
        drawn = self.negatives.of_lines(batch.rows)
        with_negative = np.flatnonzero(drawn >= 0)
        origin = np.concatenate([np.arange(len(batch.rows)), with_negative])
        again, fill = pa.array(origin), pa.nulls(len(with_negative), pa.string())
        user, time = batch.column("user_id").take(again), batch.column("timestamp").take(again)
        chosen = self.negatives.items.take(pa.array(drawn[with_negative]))
        item = pa.concat_arrays([batch.column("item_id"), chosen])
        watched = pa.repeat(pa.scalar("1"), len(batch.rows))
        columns = {
            **self.users.look_up(user),
            **self.items.look_up(item),
            REQUEST_ID: pc.binary_join_element_wise(user, time, "-"),
            USER_ID: user,
            ITEM_ID: item,
            TIMESTAMP: time,
            "rating": pa.concat_arrays([batch.column("rating"), fill]),
            "watch": pa.concat_arrays([watched, fill]),
        }
        return RawBatch(
            columns, batch.rows[origin], lambda places: batch.text(origin[places]), batch.refused
        )


def _draw_negatives(log: LogFile, known_items: pa.Array) -> Negatives:
    assert log.dialect is not None
    text, number = pa.array([], pa.string()), pa.array([], pa.float64())
    parts = [pa.table([text, text, number, number.cast(pa.int64())], names=_DRAWN)]
    for batch in read_csv_file(log.path, log.dialect, frozenset(_RATINGS)):
        times, _ = parse_numbers(batch.column("timestamp"))
        columns = [batch.column("user_id"), batch.column("item_id"), times, pa.array(batch.rows)]
        table = pa.table(columns, names=_DRAWN)
        parts.append(table.filter(pc.is_finite(times)).drop_null())
    user, item, time, line = (pa.concat_arrays(c.chunks) for c in pa.concat_tables(parts).columns)
    seconds = time.to_numpy().astype(np.int64)
    return sample_negatives(user, item, seconds, line.to_numpy(), known_items)
