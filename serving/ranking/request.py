"""A ranking request as a JSON document, such as the command line reads from a file."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.ranking.candidates import CANDIDATES
from serving.ranking.errors import RankingRequestError, refuse_kind, suggest
from transforms.examples import REQUEST_ID

MAX_REQUEST_BYTES = 64 * 2**20
_KEYS = frozenset({"user", "context", CANDIDATES, REQUEST_ID})
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class RankingRequest:
    """The parts of a request, as `Ranker.rank` takes them.

    Attributes:
        user: feature -> value.
        candidates: objects, each with `item_id`.
        context: feature -> value.
    """

    user: Mapping[str, Any] | None
    candidates: Sequence[Mapping[str, Any]]
    context: Mapping[str, Any] | None


def parse_request(text: bytes) -> RankingRequest:
    """Parses a request document: `{"user": {...}, "context": {...}, "candidates": [...]}`.

    The values of the parts are checked where they become columns: only a model says what
    they must be.

    Args:
        text: JSON, at most 64 MiB.

    Raises:
        RankingRequestError: if it is no such document, or gives a key twice.

    Example:
        >>> parse_request(b'{"candidates": []}')
        RankingRequest(user=None, candidates=[], context=None)
    """
    document = _parse(text)
    if not isinstance(document, dict):
        raise refuse_kind("a request", "must be an object", document)
    for key in document:
        if key not in _KEYS:
            raise RankingRequestError(f"{key}: is no part of a request.{suggest(key, _KEYS)}")
    candidates = document.get(CANDIDATES)
    if not isinstance(candidates, list):
        raise refuse_kind(CANDIDATES, "must be a list", candidates)
    return RankingRequest(document.get("user"), candidates, document.get("context"))


def _parse(text: bytes) -> Any:
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
