"""What a REST request's method and path ask for."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from serving.server.models.registry import ModelRequest
from serving.server.status import invalid_argument

_MAX_VERSION = 2**63 - 1
_WHICH = rb"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_QUESTION = re.compile(
    rb"(?i)/v1/models/(?P<name>[^/:]+)" + _WHICH + rb":(?P<verb>classify|regress|predict)"
)
_DESCRIPTION = re.compile(
    rb"(?i)/v1/models(?:/(?P<name>[^/:]+))?" + _WHICH + rb"(?:/(?P<verb>metadata))?"
)


class VersionOverflowError(ValueError):
    """The version has more than 63 bits; TensorFlow Serving answers 400 with no body."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of the API.

    Attributes:
        verb: `classify`, `regress`, `predict`, `metadata` or `status`.
        model: which model it is about.
    """

    verb: str
    model: ModelRequest


def parse_call(method: str, target: bytes) -> Call:
    """Reads a request line.

    Args:
        method: of the HTTP request.
        target: path and query, as sent.

    Raises:
        ServingError: INVALID_ARGUMENT if the API has no such operation.
        VersionOverflowError: if the version's number is too large.

    Example:
        >>> parse_call("POST", b"/v1/models/ranker/versions/3:predict").verb
        'predict'
    """
    match = {"POST": _QUESTION, "GET": _DESCRIPTION}.get(method, _NOTHING).fullmatch(target)
    if match is not None:
        request = _read_model(match)
        verb = (match["verb"] or b"").decode("ascii")
        # The verb's case counts although the path's does not; GET falls back to the status.
        if method == "GET":
            return Call(verb if verb == "metadata" else "status", request)
        if verb.islower():
            return Call(verb, request)
    path = target.decode("utf-8", "surrogateescape")
    raise invalid_argument(f"Malformed request: {method} {path}")


_NOTHING = re.compile(rb"(?!)")


def _read_model(match: re.Match[bytes]) -> ModelRequest:
    version = None
    if match["version"]:
        digits = match["version"].lstrip(b"0") or b"0"
        if len(digits) > len(str(_MAX_VERSION)) or int(digits) > _MAX_VERSION:
            raise VersionOverflowError
        version = int(digits)
    label = _unescape(match["label"]) if match["label"] else None
    return ModelRequest(_unescape(match["name"] or b""), version, label)


def _unescape(text: bytes) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")
