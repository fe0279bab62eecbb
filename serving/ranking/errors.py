"""A ranking request that no model can read, and the words in which it is refused."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from transforms.errors import InputError

_SHOWN = 80


class RankingRequestError(InputError):
    """The request is not what the model can rank; the message says where."""


def refuse(place: str, rule: str, value: Any) -> RankingRequestError:
    """The refusal of a value.

    Args:
        place: where it stands.
        rule: that it breaks.
        value: shown, a long one in part.

    Example:
        >>> refuse("user.age", "must be a number", "x")
        RankingRequestError("user.age: must be a number. Received: 'x'")
    """
    text = repr(value)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return RankingRequestError(f"{place}: {rule}. Received: {shown}")


def refuse_kind(place: str, rule: str, value: Any) -> RankingRequestError:
    """The refusal of a value for its type, which is shown in its place.

    Example:
        >>> refuse_kind("user", "must be an object", [])
        RankingRequestError('user: must be an object. Received: list')
    """
    kind = "nothing" if value is None else type(value).__name__
    return RankingRequestError(f"{place}: {rule}. Received: {kind}")


def refuse_unread(place: str, name: str, known: Iterable[str]) -> RankingRequestError:
    """The refusal of a field that the model does not read.

    Example:
        >>> refuse_unread("user.agee", "agee", ["age"]).args[0]
        'user.agee: is no feature that the model reads. Did you mean `age`?'
    """
    message = f"{place}: is no feature that the model reads.{suggest(name, known)}"
    return RankingRequestError(message)


def suggest(name: Any, known: Iterable[str]) -> str:
    """The known name that is most like this one, as a question; empty if none is.

    Example:
        >>> suggest("pric", ["price", "brand"])
        ' Did you mean `price`?'
    """
    matches = get_close_matches(str(name), list(known), n=1)
    return f" Did you mean `{matches[0]}`?" if matches else ""
