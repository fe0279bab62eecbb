"""The candidates of a request as columns, in whichever of three forms they came."""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Protocol

import numpy as np

from serving.ranking.errors import RankingRequestError, refuse_kind
from serving.ranking.values import Values, to_list
from transforms.examples import ITEM_ID

CANDIDATES = "candidates"


class ArrowTable(Protocol):
    """A table of any library that speaks Arrow's C interface: pyarrow, polars, pandas."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table's batches, for another library to read where they are."""


Candidates = Sequence[Mapping[str, Any]] | Mapping[str, Values] | ArrowTable
"""Objects, columns of lists or arrays, or an Arrow table; each with `item_id`."""


def read_candidates(candidates: Candidates, max_candidates: int) -> dict[str, Values]:
    """The candidates as columns of one length, one of them `item_id`.

    Args:
        candidates: a list of objects; or columns, lists or arrays; or a table.
        max_candidates: more are refused.

    Returns:
        Field -> one value a candidate; None where an object does not have the field.

    Raises:
        RankingRequestError: if they are none of these, too many, or one has no item.

    Example:
        >>> read_candidates([{"item_id": "a", "price": 2}, {"item_id": "b"}], 10)["price"]
        [2, None]
        >>> read_candidates({"item_id": np.array([7, 8]), "price": [2.5, 1]}, 10)["item_id"]
        array([7, 8])
    """
    if isinstance(candidates, list | tuple):
        _check_size(len(candidates), max_candidates)
        return _read_objects(candidates)
    if hasattr(candidates, "__arrow_c_stream__"):
        columns = _read_table(candidates)
    elif isinstance(candidates, Mapping):
        columns = {name: _check_column(name, values) for name, values in candidates.items()}
    else:
        raise refuse_kind(CANDIDATES, "must be a list, columns or a table", candidates)
    return _check_columns(columns, max_candidates)


def _check_size(size: int, max_candidates: int) -> None:
    if size > max_candidates:
        raise RankingRequestError(
            f"{CANDIDATES}: must be at most {max_candidates}. Received: {size}"
        )


def _read_objects(candidates: Sequence[Any]) -> dict[str, Values]:
    # The set is quicker than asking every one of thousands.
    if set(map(type, candidates)) - {dict}:
        for row, candidate in enumerate(candidates):
            if not isinstance(candidate, Mapping):
                raise refuse_kind(f"{CANDIDATES}[{row}]", "must be an object", candidate)
    for row, candidate in enumerate(candidates):
        if ITEM_ID not in candidate:
            raise RankingRequestError(f"{CANDIDATES}[{row}].{ITEM_ID}: must be given")
    names = {ITEM_ID: None, **dict.fromkeys(chain.from_iterable(candidates))}
    return {name: _pick(name, candidates) for name in names}


def _pick(name: str, candidates: Sequence[Any]) -> Values:
    try:
        return list(map(itemgetter(name), candidates))
    except KeyError:
        return [candidate.get(name) for candidate in candidates]


def _read_table(table: Any) -> dict[str, Values]:
    import pyarrow as pa

    arrow = pa.table(table)
    if len(set(arrow.column_names)) < arrow.num_columns:
        raise RankingRequestError(f"{CANDIDATES}: every column must be there once")
    return {name: _read_arrow(arrow.column(name)) for name in arrow.column_names}


def _read_arrow(column: Any) -> Values:
    """A column as an array, where that takes no value for another."""
    from pyarrow import types

    kind = column.type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _read_lists(column)
    if types.is_dictionary(kind):
        return _read_arrow(column.cast(kind.value_type))
    whole = types.is_integer(kind) or types.is_boolean(kind)
    text = types.is_string(kind) or types.is_large_string(kind)
    # Among whole numbers a missing one would make all of them floats.
    if types.is_floating(kind) or text or (whole and not column.null_count):
        array: Values = column.to_numpy()
        return array
    values: list[Any] = column.to_pylist()
    return values


def _read_lists(column: Any) -> Values:
    """The lists of a column, cut out of one list of all values; a missing one is empty."""
    from pyarrow import compute

    flat = to_list(_read_arrow(compute.list_flatten(column)))
    lengths = compute.fill_null(compute.list_value_length(column), 0).to_numpy()
    ends = np.cumsum(lengths)
    cuts = zip((ends - lengths).tolist(), ends.tolist(), strict=True)
    return [flat[start:end] for start, end in cuts]


def _check_column(name: str, values: Any) -> Values:
    if isinstance(values, np.ndarray) and values.ndim > 0:
        return values
    if isinstance(values, list | tuple):
        return values
    raise refuse_kind(f"{CANDIDATES}.{name}", "must be a list or an array", values)


def _check_columns(columns: dict[str, Values], max_candidates: int) -> dict[str, Values]:
    if ITEM_ID not in columns:
        raise RankingRequestError(f"{CANDIDATES}.{ITEM_ID}: must be given")
    size = len(columns[ITEM_ID])
    _check_size(size, max_candidates)
    for name, values in columns.items():
        if len(values) != size:
            raise RankingRequestError(
                f"{CANDIDATES}.{name}: must have {size} values, as `{ITEM_ID}` has. "
                f"Received: {len(values)}"
            )
    return columns
