"""Reads documents with NaN in C: missing numbers are common in ranking requests."""

import math

import orjson

from serving.server.documents.types import Json


def read_with_nan(body: bytes) -> Json | None:
    """Parses a document that is JSON but for NaN among its numbers.

    Every NaN is written over with null, and the parsed nulls are counted: if there are as
    many as there were NaN, none of them stood inside a string.

    Args:
        body: the document.

    Returns:
        The value, or None if it takes a closer look.

    Example:
        >>> read_with_nan(b"[1.5, NaN]")
        [1.5, nan]
        >>> read_with_nan(b'["NaN"]') is None
        True
    """
    if b"null" in body:
        return None
    try:
        document = orjson.loads(body.replace(b"NaN", b"null"))
    except orjson.JSONDecodeError:
        return None
    return document if _fill(document) == body.count(b"NaN") else None


def _fill(root: Json) -> int:
    """Puts NaN in place of every null; returns how many there were."""
    filled = 0
    waiting = [root]
    while waiting:
        value = waiting.pop()
        members = value.values() if type(value) is dict else value
        if type(value) not in (dict, list):
            continue
        types = set(map(type, members))
        if type(None) in types:
            filled += sum(member is None for member in members)
            if type(value) is dict:
                value.update({k: math.nan for k, member in value.items() if member is None})
            else:
                value[:] = [math.nan if member is None else member for member in value]
        if list in types or dict in types:
            waiting.extend(member for member in members if type(member) in (list, dict))
    return filled
