"""The files of MovieLens in the three forms in which they are passed on."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.adapters.side_tables import SideTable, read_side_table
from transforms.ingest.reading.dialect import Dialect

Columns = dict[str, pa.Array]

_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_RATINGS = ("user_id", "item_id", "rating", "timestamp")
_ITEMS_100K = ("item_id", "title", "release_date", "video_release_date", "url", *_GENRES)
_RECBOLE = Dialect("\t", quoting=False, typed_header=True)


def _plain(delimiter: str, *names: str) -> Dialect:
    return Dialect(delimiter, "latin-1", quoting=False, names=names)


def _split_titles(columns: Columns) -> Columns:
    """Parts `Toy Story (1995)` into title and release year."""
    found = pc.extract_regex(columns["title"], r"^(?P<title>.*?)\s*\((?P<year>\d{4})\)\s*$")
    title = pc.coalesce(pc.struct_field(found, "title"), columns["title"])
    return {**columns, "title": title, "release_year": pc.struct_field(found, "year")}


def _join_flags(columns: Columns) -> Columns:
    """Turns the 0/1 column of each genre into `Animation|Comedy`."""
    nothing = pa.scalar(None, pa.string())
    words = [pc.if_else(pc.equal(columns[genre], "1"), genre, nothing) for genre in _GENRES]
    return {**columns, "genres": pc.binary_join_element_wise(*words, "|", null_handling="skip")}


def _items_100k(columns: Columns) -> Columns:
    return _join_flags(_split_titles(columns))


def _items_recbole(columns: Columns) -> Columns:
    genres = pc.replace_substring(columns["class"], " ", "|")
    return {**columns, "title": columns["movie_title"], "genres": genres}


@dataclass(frozen=True)
class Format:
    """One form of the files.

    Attributes:
        pattern: of the name of the ratings' file; its first group is the files' stem.
        ratings: how ratings are written.
        users: the users' file as a template of the stem, and how it is written.
        items: the same for movies.
        read: the columns of the movies' file.
        convert: makes title, release_year and genres (joined by `|`) of them.
    """

    pattern: str
    ratings: Dialect
    users: tuple[str, Dialect]
    items: tuple[str, Dialect]
    read: tuple[str, ...]
    convert: Callable[[Columns], Columns]

    def match(self, relative: str) -> str | None:
        """The stem, if the file holds ratings in this form."""
        found = re.fullmatch(self.pattern, PurePosixPath(relative).name)
        return found[1] if found else None

    def read_users(self, path: str | None) -> SideTable:
        """Reads age, gender, occupation and zip_code; an empty table if there is no file."""
        wanted = ("age", "gender", "occupation", "zip_code")
        return read_side_table([path] if path else [], self.users[1], "user_id", wanted)

    def read_items(self, path: str | None) -> SideTable:
        """Reads title, release_year and genres; an empty table if there is no file."""
        table = read_side_table([path] if path else [], self.items[1], "item_id", self.read)
        columns = self.convert(table.columns)
        return SideTable(table.ids, {n: columns[n] for n in ("title", "release_year", "genres")})


FORMATS = (
    Format(
        r"(u)\.data",
        _plain("\t", *_RATINGS),
        ("{}.user", _plain("|", "user_id", "age", "gender", "occupation", "zip_code")),
        ("{}.item", _plain("|", *_ITEMS_100K)),
        ("title", *_GENRES),
        _items_100k,
    ),
    Format(
        r"(ratings)\.dat",
        _plain("::", *_RATINGS),
        ("users.dat", _plain("::", "user_id", "gender", "age", "occupation", "zip_code")),
        ("movies.dat", _plain("::", "item_id", "title", "genres")),
        ("title", "genres"),
        _split_titles,
    ),
    Format(
        r"(.+)\.inter",
        _RECBOLE,
        ("{}.user", _RECBOLE),
        ("{}.item", _RECBOLE),
        ("movie_title", "release_year", "class"),
        _items_recbole,
    ),
)
"""ml-100k as published, ml-1m as published, and RecBole's atomic files."""


def find_side(template: str, stem: str, ratings: str, files: Mapping[str, str]) -> str | None:
    """The path of a file beside the ratings, if it is there."""
    return files.get(str(PurePosixPath(ratings).with_name(template.format(stem))))
