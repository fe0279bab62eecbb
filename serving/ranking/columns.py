"""A ranking request to the columns of the signature `rank`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.ranking.candidates import CANDIDATES, Candidates, read_candidates
from serving.ranking.errors import RankingRequestError, refuse_kind, refuse_unread
from serving.ranking.signature import RankSignature
from serving.ranking.values import Array, Place, Values, make_column, make_missing, to_list
from transforms.examples import IDS, ITEM_ID

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A request as the model takes it.

    Attributes:
        item_ids: of the candidates, in the order of the request.
        inputs: feature -> one row a candidate, or a single row for what belongs to the
            request.
    """

    item_ids: tuple[Any, ...]
    inputs: Mapping[str, Array]


def make_columns(
    user: Fields | None,
    candidates: Candidates,
    context: Fields | None,
    signature: RankSignature,
    max_candidates: int,
) -> Columns:
    """Turns a request into columns.

    A feature that is left out, or None, is missing. Ids (`item_id`, `user_id`,
    `request_id`) may be there though the model does not read them; any other field that it
    does not read is refused, as it is most likely misspelt.

    Args:
        user: feature -> value.
        candidates: objects, columns or a table.
        context: feature -> value, as `user`: a feature may stand in either, in one of them.
        signature: of the model.
        max_candidates: more are refused.

    Raises:
        RankingRequestError: with the place and the rule.

    Example:
        >>> from serving.ranking.signature import InputSpec
        >>> signature = RankSignature({"price": InputSpec(False, per_item=True)}, ("score",))
        >>> make_columns({}, [{"item_id": 7, "price": 2}], None, signature, 100).inputs
        {'price': array([2.], dtype=float32)}
    """
    columns = read_candidates(candidates, max_candidates)
    shared = _read_shared({"user": user, "context": context}, signature)
    _check_fields(columns, signature)
    item_ids = columns[ITEM_ID]
    inputs: dict[str, Array] = {}
    for name, spec in signature.inputs.items():
        if spec.per_item and name in columns:
            inputs[name] = make_column(columns[name], spec, _place_in_items(name))
        elif spec.per_item:
            inputs[name] = make_missing(len(item_ids), spec)
        else:
            place, value = shared.get(name, (name, None))
            inputs[name] = make_column([value], spec, _place_of_all(place))
    return Columns(tuple(to_list(item_ids)), inputs)


def _place_in_items(name: str) -> Place:
    return lambda row: f"{CANDIDATES}[{row}].{name}"


def _place_of_all(place: str) -> Place:
    return lambda _: place


def _read_shared(
    parts: Mapping[str, Fields | None], signature: RankSignature
) -> dict[str, tuple[str, Any]]:
    """Feature -> where it stands and its value, for what belongs to the request."""
    known = {name for name, spec in signature.inputs.items() if not spec.per_item}
    shared: dict[str, tuple[str, Any]] = {}
    for part, fields in parts.items():
        if not isinstance(fields, Mapping | None):
            raise refuse_kind(part, "must be an object", fields)
        for name, value in (fields or {}).items():
            place = f"{part}.{name}"
            if name in shared:
                raise RankingRequestError(f"{place}: stands in `user` already")
            if name in known:
                shared[name] = place, value
            elif name in signature.inputs:
                raise RankingRequestError(f"{place}: belongs to each of the `{CANDIDATES}`")
            elif name not in IDS:
                raise refuse_unread(place, name, known)
    return shared


def _check_fields(columns: Mapping[str, Values], signature: RankSignature) -> None:
    known = {name for name, spec in signature.inputs.items() if spec.per_item}
    for name, values in columns.items():
        if name not in known and name not in IDS:
            given = (row for row, value in enumerate(values) if value is not None)
            place = _place_in_items(name)(next(given, 0))
            if name in signature.inputs:
                raise RankingRequestError(f"{place}: belongs to `user` or `context`")
            raise refuse_unread(place, name, known)
