"""Prints JSON values into error messages as TensorFlow Serving does: short and indented."""

import math
import re
from contextlib import suppress

from serving.server.documents.numbers import format_double
from serving.server.documents.types import Json, members, to_bytes

_MAX_BYTES = 256
_INDENT = b"    "
_ESCAPED = re.compile(rb'["\\\x00-\x1f]')
_SHORT = {
    b'"': b'\\"',
    b"\\": b"\\\\",
    b"\b": b"\\b",
    b"\t": b"\\t",
    b"\n": b"\\n",
    b"\f": b"\\f",
    b"\r": b"\\r",
}


def debug_string(value: Json) -> str:
    """The value as text; it stops before the first token behind 256 bytes.

    Example:
        >>> print(debug_string({"a": [1, "b"]}))
        {
            "a": [1, "b"]
        }
    """
    printer = _Printer()
    with suppress(_FullError):  # what was printed so far is the message
        printer.print(value)
    return printer.text.decode("utf-8", "surrogateescape")


class _FullError(Exception):
    """The message is long enough."""


class _Level:
    """An open array or object and how many values (names count too) it has so far."""

    def __init__(self, is_array: bool) -> None:
        self.is_array = is_array
        self.count = 0


class _Printer:
    def __init__(self) -> None:
        self.text = bytearray()
        self.levels: list[_Level] = []

    def print(self, value: Json) -> None:
        match value:
            case dict():
                self._open(b"{", is_array=False)
                for name, member in members(value):
                    self._token(_quote(name))
                    self.print(member)
                self._close(b"}")
            case list():
                self._open(b"[", is_array=True)
                for member in value:
                    self.print(member)
                self._close(b"]")
            case float() if not math.isfinite(value):
                self._token(b"")
                raise _FullError
            case _:
                self._token(_scalar(value))

    def _open(self, bracket: bytes, is_array: bool) -> None:
        self._token(bracket)
        self.levels.append(_Level(is_array))

    def _close(self, bracket: bytes) -> None:
        self._check()
        level = self.levels.pop()
        if level.count and not level.is_array:
            self.text += b"\n" + _INDENT * len(self.levels)
        self.text += bracket

    def _token(self, token: bytes) -> None:
        self._check()
        if self.levels:
            self._separate(self.levels[-1])
        self.text += token

    def _separate(self, level: _Level) -> None:
        if level.is_array:
            self.text += b", " if level.count else b""
        elif level.count % 2:
            self.text += b": "
        else:
            self.text += (b",\n" if level.count else b"\n") + _INDENT * len(self.levels)
        level.count += 1

    def _check(self) -> None:
        if len(self.text) >= _MAX_BYTES:
            raise _FullError


def _scalar(value: Json) -> bytes:
    match value:
        case None:
            return b"null"
        case bool():
            return b"true" if value else b"false"
        case str():
            return _quote(value)
        case float():
            return format_double(value).encode()
    return str(value).encode()


def _quote(text: str) -> bytes:
    return b'"' + _ESCAPED.sub(_escape, to_bytes(text)) + b'"'


def _escape(match: re.Match[bytes]) -> bytes:
    return _SHORT.get(match[0]) or f"\\u{match[0][0]:04X}".encode()
