"""The columns of simulated impressions, between NumPy codes and Arrow tables.

Inside the simulator a word is an int code into its vocabulary (-1: none), a missing
number is NaN. In the logs a word is text and a missing number is null.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.examples import POSITION
from transforms.features import Owner

Array = NDArray[Any]
Columns = Mapping[str, Array]

TAGS_PER_ITEM = 3
TAG_SEPARATOR = "|"


class Words(NamedTuple):
    """A categorical column: `multivalued` ones hold [n, TAGS_PER_ITEM] codes."""

    of: Owner
    words: tuple[str, ...]
    multivalued: bool = False


class Number(NamedTuple):
    """A numeric column."""

    of: Owner
    type: pa.DataType


COLUMNS: dict[str, Words | Number] = {
    "segment": Words("user", ("student", "commuter", "parent", "expert", "gamer", "retiree")),
    "age": Number("user", pa.int64()),
    "daily_minutes": Number("user", pa.float64()),
    "account_days": Number("user", pa.float64()),
    "curiosity": Number("user", pa.float64()),
    "zodiac": Words(
        "user",
        (
            *("aries", "taurus", "gemini", "cancer", "leo", "virgo"),
            *("libra", "scorpio", "sagittarius", "capricorn", "aquarius", "pisces"),
        ),
    ),
    "category": Words("item", ("comedy", "cooking", "fitness", "games", "music", "news", "science", "travel")),
    "duration_seconds": Number("item", pa.float64()),
    "quality": Number("item", pa.float64()),
    "creator_followers": Number("item", pa.float64()),
    "tags": Words(
        "item",
        (
            *("beginner", "classic", "costume", "family", "festival", "handmade"),
            *("live", "local", "minimal", "night", "outdoor", "vintage"),
        ),
        multivalued=True,
    ),
    "checksum": Number("item", pa.float64()),
    "device": Words("context", ("phone", "tablet", "desktop", "tv")),
    "hour": Number("context", pa.int64()),
    "network": Words("context", ("wifi", "4g", "5g", "wired")),
}
"""Log column -> what it holds; `zodiac`, `checksum` and `network` are of no use."""


def words_of(column: str) -> tuple[str, ...]:
    """The vocabulary of a categorical column."""
    spec = COLUMNS[column]
    assert isinstance(spec, Words)
    return spec.words


def to_arrow(name: str, values: Array) -> pa.Array:
    """One column for the logs: codes become text, NaN becomes null.

    Args:
        name: of the column.
        values: [n]; [n, TAGS_PER_ITEM] if the column is multivalued.
    """
    spec = COLUMNS[name]
    if isinstance(spec, Number):
        return pa.array(values, type=spec.type, from_pandas=True)
    words = pa.array(spec.words)
    if not spec.multivalued:
        return words.take(pa.array(values))
    present = values >= 0
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    return pa.ListArray.from_arrays(
        pa.array(offsets, type=pa.int32()), words.take(pa.array(values[present]))
    )


def from_arrow(impressions: pa.Table) -> dict[str, Array]:
    """The inverse of `to_arrow` for all columns and the position of an impressions table.

    Args:
        impressions: n rows as read from the logs; tags may be lists (Parquet) or text (CSV).

    Returns:
        Column -> [n] codes or float64 numbers; tags [n, TAGS_PER_ITEM].
    """
    columns = {
        name: _CODERS[type(spec)](impressions[name].combine_chunks(), spec)
        for name, spec in COLUMNS.items()
    }
    columns[POSITION] = _numbers(impressions[POSITION].combine_chunks(), None)
    return columns


def _numbers(values: pa.Array, _: Any) -> Array:
    floats: Array = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return floats


def _codes(values: pa.Array, spec: Words) -> Array:
    if spec.multivalued:
        return _list_codes(values, spec)
    codes = pc.fill_null(pc.index_in(values, value_set=pa.array(spec.words)), -1)
    array: Array = codes.to_numpy(zero_copy_only=False)
    return array


def _list_codes(values: pa.Array, spec: Words) -> Array:
    if not pa.types.is_list(values.type):
        values = pc.split_pattern(values, TAG_SEPARATOR)
    padded = pc.list_slice(values, 0, TAGS_PER_ITEM, return_fixed_size_list=True)
    flat = padded.flatten()  # [n * TAGS_PER_ITEM], null where the list is shorter
    return _codes(flat, Words(spec.of, spec.words)).reshape(-1, TAGS_PER_ITEM)


_CODERS: dict[type, Callable[[pa.Array, Any], Array]] = {Words: _codes, Number: _numbers}
