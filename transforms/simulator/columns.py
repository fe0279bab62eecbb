"""The columns of simulated impressions, between NumPy codes and Arrow tables.

Inside the simulator a word is an int code into its vocabulary (-1: none) and a missing
number is NaN. In the logs a word is text and a missing number is null.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.errors import InputError
from transforms.examples import POSITION

Array = NDArray[Any]
Columns = Mapping[str, Array]

TAGS_PER_ITEM = 3
TAG_SEPARATOR = "|"


class Words(NamedTuple):
    """A categorical column; a multivalued one holds [n, TAGS_PER_ITEM] codes."""

    words: tuple[str, ...]
    multivalued: bool = False


class Number(NamedTuple):
    """A numeric column."""

    type: pa.DataType


_SEGMENTS = ("student", "commuter", "parent", "expert", "gamer", "retiree")
_ZODIAC = (
    *("aries", "taurus", "gemini", "cancer", "leo", "virgo"),
    *("libra", "scorpio", "sagittarius", "capricorn", "aquarius", "pisces"),
)
_CATEGORIES = ("comedy", "cooking", "fitness", "games", "music", "news", "science", "travel")
_TAGS = (
    *("beginner", "classic", "costume", "family", "festival", "handmade"),
    *("live", "local", "minimal", "night", "outdoor", "vintage"),
)

USER_COLUMNS: dict[str, Words | Number] = {
    "segment": Words(_SEGMENTS),
    "age": Number(pa.int64()),
    "daily_minutes": Number(pa.float64()),
    "account_days": Number(pa.int64()),
    "curiosity": Number(pa.float64()),
    "zodiac": Words(_ZODIAC),
}
ITEM_COLUMNS: dict[str, Words | Number] = {
    "category": Words(_CATEGORIES),
    "duration_seconds": Number(pa.float64()),
    "quality": Number(pa.float64()),
    "creator_followers": Number(pa.int64()),
    "tags": Words(_TAGS, multivalued=True),
    "checksum": Number(pa.float64()),
}
CONTEXT_COLUMNS: dict[str, Words | Number] = {
    "device": Words(("phone", "tablet", "desktop", "tv")),
    "hour": Number(pa.int64()),
    "network": Words(("wifi", "4g", "5g", "wired")),
}
COLUMNS = {**USER_COLUMNS, **ITEM_COLUMNS, **CONTEXT_COLUMNS}
"""Log column -> what it holds. `zodiac`, `checksum` and `network` are of no use."""


def words_of(column: str) -> tuple[str, ...]:
    """The vocabulary of a categorical column.

    Example:
        >>> words_of("device")
        ('phone', 'tablet', 'desktop', 'tv')
    """
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
    """The inverse of `to_arrow` for all columns, and the position, of impressions.

    Args:
        impressions: n rows as in the logs; tags are lists (Parquet) or text (CSV).

    Returns:
        Column -> codes or float64 numbers, [n]; tags [n, TAGS_PER_ITEM].

    Raises:
        InputError: if a column is absent or has a word that the simulator never writes.
    """
    specs = {**COLUMNS, POSITION: Number(pa.int64())}
    absent = sorted(set(specs) - set(impressions.column_names))
    if absent:
        raise InputError(f"impressions must have the simulator's columns. Absent: {absent}")
    return {
        name: _codes(name, impressions[name].combine_chunks(), spec)
        if isinstance(spec, Words)
        else impressions[name].cast(pa.float64()).to_numpy()
        for name, spec in specs.items()
    }


def _codes(name: str, values: pa.Array, spec: Words) -> Array:
    if spec.multivalued:
        if not pa.types.is_list(values.type):
            values = pc.split_pattern(values, TAG_SEPARATOR)
        padded = pc.list_slice(values, 0, TAGS_PER_ITEM, return_fixed_size_list=True)
        codes = _index(padded.flatten(), spec)  # [n * TAGS_PER_ITEM]
        return codes.reshape(-1, TAGS_PER_ITEM)
    codes = _index(values, spec)
    if (codes < 0).any():
        raise InputError(f"{name}: must hold the simulator's words {list(spec.words)}")
    return codes


def _index(values: pa.Array, spec: Words) -> Array:
    index = pc.index_in(values, value_set=pa.array(spec.words))
    codes: Array = pc.fill_null(index, -1).to_numpy(zero_copy_only=False)
    return codes
