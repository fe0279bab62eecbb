"""Strings of a JSON text, read as TensorFlow Serving's parser reads them.

Bytes above 0x7F are taken as they are, valid UTF-8 or not; a lone low surrogate escape
is encoded like any other code point.
"""

import re

from serving.server.documents.types import parse_error

_PLAIN_STRING = re.compile(rb'"([^"\\\x00-\x1f]*)"')
_PLAIN_PART = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX4 = re.compile(rb"[0-9a-fA-F]{4}")
_ESCAPES = {
    **{ord(c): c.encode() for c in '"\\/'},
    **dict(zip(b"bfnrt", (b"\b", b"\f", b"\n", b"\r", b"\t"), strict=True)),
}
_QUOTE, _BACKSLASH = ord('"'), ord("\\")


def read_string(text: bytes, at: int) -> tuple[str, int]:
    """Reads a string.

    Args:
        text: the document.
        at: the offset of the opening quotation mark.

    Returns:
        The string, bytes that are no UTF-8 as lone surrogates, and the offset behind it.

    Raises:
        ServingError: INVALID_ARGUMENT with the parser's message and the offset.

    Example:
        >>> read_string(b'"a\\\\u00e9" ', 0)
        ('aé', 9)
    """
    match = _PLAIN_STRING.match(text, at)
    if match is not None:
        return match[1].decode("utf-8", "surrogateescape"), match.end()
    at += 1
    parts: list[bytes] = []
    while True:
        plain = _PLAIN_PART.match(text, at)
        assert plain is not None, "the pattern matches the empty string"
        parts.append(plain[0])
        at = plain.end()
        byte = _byte(text, at)
        if byte == _QUOTE:
            return b"".join(parts).decode("utf-8", "surrogateescape"), at + 1
        if byte == 0:
            raise parse_error("Missing a closing quotation mark in string.", at)
        if byte != _BACKSLASH:
            raise parse_error("Invalid escape character in string.", at)
        part, at = _read_escape(text, at)
        parts.append(part)


def _read_escape(text: bytes, start: int) -> tuple[bytes, int]:
    escaped = _byte(text, start + 1)
    if escaped in _ESCAPES:
        return _ESCAPES[escaped], start + 2
    if escaped != ord("u"):
        raise parse_error("Invalid escape character in string.", start)
    point, at = _read_hex(text, start + 2, start)
    if 0xD800 <= point <= 0xDBFF:
        low = 0
        if text[at : at + 2] == b"\\u":
            low, at = _read_hex(text, at + 2, start)
        if not 0xDC00 <= low <= 0xDFFF:
            raise parse_error("The surrogate pair in string is invalid.", start)
        point = 0x10000 + ((point - 0xD800) << 10) + low - 0xDC00
    return chr(point).encode("utf-8", "surrogatepass"), at


def _read_hex(text: bytes, at: int, start: int) -> tuple[int, int]:
    match = _HEX4.match(text, at)
    if match is None:
        raise parse_error("Incorrect hex digit after \\u escape in string.", start)
    return int(match[0], 16), match.end()


def _byte(text: bytes, at: int) -> int:
    """The byte at the offset; the end of the text reads as a zero byte."""
    return text[at] if at < len(text) else 0
