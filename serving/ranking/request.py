"""A ranking request to the columns of the signature `rank`."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from serving.ranking.signature import RankSignature
from serving.ranking.values import RankingRequestError, make_column

__all__ = ["MAX_REQUEST_BYTES", "Columns", "RankingRequestError", "make_columns", "parse_request"]

ITEM_ID = "item_id"
_IDS = frozenset({"request_id", "user_id", ITEM_ID})
_SHARED_PARTS = ("user", "context")
_CANDIDATES = "candidates"
_KEYS = frozenset({*_SHARED_PARTS, _CANDIDATES, "request_id"})
MAX_REQUEST_BYTES = 64 * 2**20
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Columns:
    """A request as the model takes it.

    Attributes:
        item_ids: of the candidates, in the order of the request.
        inputs: feature -> one row a candidate, or a single row for what belongs to the
            request.
    """

    item_ids: tuple[Any, ...]
    inputs: Mapping[str, list[Any]]


def parse_request(text: bytes) -> Any:
    """Parses a request document.

    Args:
        text: JSON, at most 64 MiB.

    Raises:
        RankingRequestError: if it is no JSON, or an object of it gives a key twice.

    Example:
        >>> parse_request(b'{"candidates": []}')
        {'candidates': []}
    """
    if len(text) > MAX_REQUEST_BYTES:
        raise RankingRequestError(f"a request must have at most {MAX_REQUEST_BYTES} bytes")
    try:
        return json.loads(text, object_pairs_hook=_make_object)
    except RecursionError:
        raise RankingRequestError("a request must not be nested so deep") from None
    except ValueError as error:
        raise RankingRequestError(f"a request must be JSON: {error}") from None


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise RankingRequestError(f"{twice[:_SHOWN]}: must be given once")
    return result


def make_columns(
    document: Mapping[str, Any], signature: RankSignature, max_candidates: int
) -> Columns:
    """Turns a request document into columns.

    A feature that the document leaves out, or gives as null, is missing. Ids
    (`item_id`, `user_id`, `request_id`) may be there though the model does not read them;
    any other field that it does not read is refused, as it is most likely misspelt.

    Args:
        document: with `candidates`, and `user` and `context` where the model reads them.
        signature: of the model.
        max_candidates: more are refused.

    Raises:
        RankingRequestError: with the place and the rule.

    Example:
        >>> from serving.ranking.signature import InputSpec
        >>> signature = RankSignature({"price": InputSpec(False, per_item=True)}, ("score",))
        >>> make_columns({"candidates": [{"item_id": 7, "price": 2}]}, signature, 100).inputs
        {'price': [2]}
    """
    _check_keys(document)
    candidates = _read_candidates(document, max_candidates)
    shared = _read_shared(document, signature)
    _check_fields(candidates, signature)
    inputs: dict[str, list[Any]] = {}
    for name, spec in signature.inputs.items():
        if spec.per_item:
            values = [candidate.get(name) for candidate in candidates]
            inputs[name] = make_column(
                values,
                spec,
                lambda row, name=name: f"{_CANDIDATES}[{row}].{name}",  # type: ignore[misc]
            )
        else:
            place, value = shared.get(name, (name, None))
            inputs[name] = make_column([value], spec, lambda _, place=place: place)  # type: ignore[misc]
    return Columns(tuple(candidate[ITEM_ID] for candidate in candidates), inputs)


def _check_keys(document: Any) -> None:
    if not isinstance(document, Mapping):
        raise RankingRequestError(f"a request must be an object. Received: {_kind(document)}")
    for key in document:
        if key not in _KEYS:
            raise RankingRequestError(f"{key}: is no part of a request.{_suggest(key, _KEYS)}")


def _read_candidates(document: Mapping[str, Any], max_candidates: int) -> Sequence[Any]:
    candidates = document.get(_CANDIDATES)
    if not isinstance(candidates, list | tuple):
        raise RankingRequestError(f"{_CANDIDATES}: must be a list. Received: {_kind(candidates)}")
    if len(candidates) > max_candidates:
        raise RankingRequestError(
            f"{_CANDIDATES}: must be at most {max_candidates}. Received: {len(candidates)}"
        )
    for row, candidate in enumerate(candidates):
        if not isinstance(candidate, Mapping):
            raise RankingRequestError(
                f"{_CANDIDATES}[{row}]: must be an object. Received: {_kind(candidate)}"
            )
        if ITEM_ID not in candidate:
            raise RankingRequestError(f"{_CANDIDATES}[{row}].{ITEM_ID}: must be given")
    return candidates


def _read_shared(
    document: Mapping[str, Any], signature: RankSignature
) -> dict[str, tuple[str, Any]]:
    """Feature -> where it stands and its value, for what belongs to the request."""
    known = {name for name, spec in signature.inputs.items() if not spec.per_item}
    shared: dict[str, tuple[str, Any]] = {}
    for part in _SHARED_PARTS:
        fields = document.get(part)
        if not isinstance(fields, Mapping | None):
            raise RankingRequestError(f"{part}: must be an object. Received: {_kind(fields)}")
        for name, value in (fields or {}).items():
            place = f"{part}.{name}"
            if name in shared:
                raise RankingRequestError(f"{place}: stands in `user` already")
            if name in known:
                shared[name] = place, value
            elif name in signature.inputs:
                raise RankingRequestError(f"{place}: belongs to each of the `{_CANDIDATES}`")
            elif name not in _IDS:
                raise RankingRequestError(f"{place}: {_unread(name, known)}")
    return shared


def _check_fields(candidates: Sequence[Mapping[str, Any]], signature: RankSignature) -> None:
    known = {name for name, spec in signature.inputs.items() if spec.per_item}
    for name in set[Any]().union(*candidates) - known - _IDS:
        row = next(i for i, candidate in enumerate(candidates) if name in candidate)
        place = f"{_CANDIDATES}[{row}].{name}"
        if name in signature.inputs:
            raise RankingRequestError(f"{place}: belongs to `user` or `context`")
        raise RankingRequestError(f"{place}: {_unread(name, known)}")


def _unread(name: str, known: Iterable[str]) -> str:
    return f"is no feature that the model reads.{_suggest(name, known)}"


def _suggest(name: Any, known: Iterable[str]) -> str:
    matches = get_close_matches(str(name), list(known), n=1)
    return f" Did you mean `{matches[0]}`?" if matches else ""


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
