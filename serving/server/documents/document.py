"""Reads a request's JSON document: in C where that is exact, else byte by byte."""

import json
import re

import orjson

from serving.server.documents.not_numbers import read_with_nan
from serving.server.documents.numbers import NUMBER, NumberTooBigError, read_number
from serving.server.documents.reader import read_exactly
from serving.server.documents.types import Json, make_object, parse_error

# The exact reader takes about a second a megabyte in the worst case.
_MAX_EXACT_BYTES = 4 * 2**20

_SPACE = re.compile(r"[ \n\r\t]*")
# One half of a surrogate pair, which TensorFlow Serving reads otherwise than Python.
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]", re.DOTALL
)
# Makes long and huge numbers easy to find: every digit a 0, every white space a blank.
_PLAIN = bytes.maketrans(b"123456789E\t\n\r", b"000000000e   ")
_POINTS_TOO = bytes.maketrans(b".", b"0")
_LONG_INTEGERS = [start + b"0" * 19 for start in (b"[", b",", b":", b" ", b"-")]
_LONG_EXPONENTS = [b"e000", b"e+000"]


def read_document(body: bytes) -> Json:
    """Reads the first JSON value of a body.

    Accepted beyond JSON: NaN and Infinity, bytes behind the document, bytes in strings
    that are no UTF-8, any depth of nesting. Of an object's equal keys the first counts.

    Args:
        body: of the request.

    Raises:
        ServingError: INVALID_ARGUMENT, with the offset of the error.

    Example:
        >>> read_document(b'{"a": [1, 2.5, null]}')
        {'a': [1, 2.5, None]}
    """
    try:
        document, error = orjson.loads(body), None
    except orjson.JSONDecodeError as refusal:
        document, error = read_with_nan(body), refusal
    return document if _has_no_duplicate_keys(document, body) else _read_unusual(body, error)


def read_exact_doubles(body: bytes, document: Json) -> Json:
    """Reads the body again if a double in it has so many digits that its last bit may differ.

    Args:
        body: of the request.
        document: what `read_document` made of it.

    Example:
        >>> read_exact_doubles(b"[0.5]", [0.5])
        [0.5]
    """
    plain = body.translate(_PLAIN).translate(_POINTS_TOO)
    is_long = b"0" * 16 in plain or b"0e" in plain
    return _read_exact_numbers(body) if is_long else document


def _has_no_duplicate_keys(document: Json, body: bytes) -> bool:
    """Whether every colon stands behind a key of an object at a usual place."""
    if type(document) is not dict:
        return False
    keys = len(document)
    for value in document.values():
        if type(value) is dict:
            keys += len(value)
        elif type(value) is list:
            keys += sum(len(row) for row in value if type(row) is dict)
    return body.count(b":") == keys


def _read_unusual(body: bytes, error: orjson.JSONDecodeError | None) -> Json:
    """What is no plain JSON, or may name a key twice."""
    if _has_huge_number(body):
        return _read_exact_numbers(body)
    if not _has_lone_surrogate(body):
        try:
            return _decode(_DECODER, body)
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
            pass  # the exact reader accepts it, or says what is wrong
    if error is not None and len(body) > _MAX_EXACT_BYTES:
        raise parse_error(f"{error.msg}.", error.pos)
    return read_exactly(body)


def _read_exact_numbers(body: bytes) -> Json:
    if not _has_lone_surrogate(body):
        try:
            return _decode(_EXACT_NUMBERS, body)
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, NumberTooBigError):
            pass  # as above
    return read_exactly(body)


def _has_huge_number(body: bytes) -> bool:
    """Whether there may be an integer beyond 64 bits or a number beyond a double."""
    plain = body.translate(_PLAIN)
    return any(start in plain for start in _LONG_INTEGERS + _LONG_EXPONENTS)


def _has_lone_surrogate(body: bytes) -> bool:
    return b"\\u" in body and _LONE_SURROGATE.search(body) is not None


def _decode(decoder: json.JSONDecoder, body: bytes) -> Json:
    text = body.decode("utf-8")
    space = _SPACE.match(text)
    assert space is not None, "the pattern matches the empty string"
    value, _ = decoder.raw_decode(text, space.end())
    # What follows a container is ignored; what follows a number may belong to it.
    return value if isinstance(value, dict | list) else read_exactly(body)


def _exact_number(text: str) -> Json:
    match = NUMBER.fullmatch(text.encode())
    assert match is not None, f"Python read {text!r} as a number"
    return read_number(match)


_DECODER = json.JSONDecoder(object_pairs_hook=make_object)
_EXACT_NUMBERS = json.JSONDecoder(
    object_pairs_hook=make_object, parse_float=_exact_number, parse_int=_exact_number
)
