"""An exact JSON reader: accepts, refuses and explains what TensorFlow Serving's parser does.

`document` reads well-formed documents in C; this one takes what is left: NaN and
Infinity in unusual spelling, bytes that are no UTF-8, and every error with its offset.
Nesting costs no stack.
"""

import re
from typing import Any, NoReturn

from serving.server.documents.numbers import NUMBER, NumberTooBigError, read_number
from serving.server.documents.strings import read_string
from serving.server.documents.types import Json, make_object, parse_error

_SPACE = re.compile(rb"[ \n\r\t]*")
_WORDS: dict[int, tuple[bytes, Json]] = {
    ord("n"): (b"null", None),
    ord("t"): (b"true", True),
    ord("f"): (b"false", False),
}
_END = 0  # a zero byte ends the document, as the end of the text does

_INVALID_VALUE = "Invalid value."
_NO_NAME = "Missing a name for object member."


def read_exactly(text: bytes) -> Json:
    """Reads the first JSON value of the text; what follows it is ignored.

    Args:
        text: the document.

    Raises:
        ServingError: INVALID_ARGUMENT with the parser's message and the offset.

    Example:
        >>> read_exactly(b'{"x": [1, -Infinity]} rest')
        {'x': [1, -inf]}
        >>> read_exactly(b'{"x" 1}')
        Traceback (most recent call last):
        serving.server.status.ServingError: INVALID_ARGUMENT: JSON Parse error: \
Missing a colon after a name of object member. at offset: 5
    """
    return _Reader(text).read()


class _Reader:
    """One pass over a text; `at` is the offset of the next byte."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0
        for byte in b"\xef\xbb\xbf":
            self.at += self.peek() == byte

    def read(self) -> Json:
        self.skip_space()
        if self.peek() in b"]},:\x00":
            self.fail("The document is empty.")
        open_: list[_Open] = []
        while True:
            value = self.open_value(open_)
            while value is not _OPENED:
                if not open_:
                    return value
                value = open_[-1].add(self, value)
                if value is not _OPENED:
                    open_.pop()

    def open_value(self, open_: "list[_Open]") -> Json:
        """A scalar or an empty container, or `_OPENED` once a container waits for values."""
        byte = self.peek()
        if byte not in b"[{":
            return self.read_scalar(byte)
        self.at += 1
        self.skip_space()
        container: _Open = _OpenArray() if byte == ord("[") else _OpenObject()
        if self.peek() == container.closing:
            self.at += 1
            return container.value()
        container.prepare(self)
        open_.append(container)
        return _OPENED

    def read_scalar(self, byte: int) -> Json:
        if byte == ord('"'):
            return self.read_string()
        if byte in _WORDS:
            word, value = _WORDS[byte]
            self.take_all(word)
            return value
        return self.read_number()

    def read_number(self) -> Json:
        start = self.at
        match = NUMBER.match(self.text, start)
        if match is None:
            return self.read_not_finite()
        self.at = match.end()
        try:
            value = read_number(match)
        except NumberTooBigError:
            self.at = start
            self.fail("Number too big to be stored in double.")
        if match["fraction"] is None and match["exponent"] is None and self.take(b"."):
            self.fail("Miss fraction part in number.")
        if match["exponent"] is None and self.peek() in b"eE":
            self.at += 1
            self.at += self.peek() in b"+-"
            self.fail("Miss exponent in number.")
        return value

    def read_not_finite(self) -> float:
        minus = self.take(b"-")
        if self.peek() not in b"NI":
            self.fail(_INVALID_VALUE)
        if self.take(b"N") and self.take(b"a") and self.take(b"N"):
            return float("nan")
        self.take_all(b"Inf")
        if self.peek() == ord("i"):
            self.take_all(b"inity")
        return float("-inf") if minus else float("inf")

    def read_string(self) -> str:
        value, self.at = read_string(self.text, self.at)
        return value

    def peek(self) -> int:
        return self.text[self.at] if self.at < len(self.text) else _END

    def take(self, byte: bytes) -> bool:
        taken = self.peek() == byte[0]
        self.at += taken
        return taken

    def take_all(self, word: bytes) -> None:
        for byte in word:
            if self.peek() != byte:
                self.fail(_INVALID_VALUE)
            self.at += 1

    def skip_space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def fail(self, message: str) -> NoReturn:
        raise parse_error(message, self.at)


_OPENED: Any = object()


class _Open:
    """A container whose end was not seen yet."""

    closing = _END

    def prepare(self, reader: _Reader) -> None:
        """Reads what stands before the container's next value."""

    def add(self, reader: _Reader, value: Json) -> Json:
        """Takes the next member; returns the container at its end, else `_OPENED`."""
        raise NotImplementedError

    def value(self) -> Json:
        raise NotImplementedError


class _OpenArray(_Open):
    closing = ord("]")

    def __init__(self) -> None:
        self.values: list[Json] = []

    def add(self, reader: _Reader, value: Json) -> Json:
        self.values.append(value)
        reader.skip_space()
        if reader.take(b"]"):
            return self.values
        if not reader.take(b","):
            reader.fail("Missing a comma or ']' after an array element.")
        reader.skip_space()
        return _OPENED

    def value(self) -> Json:
        return self.values


class _OpenObject(_Open):
    closing = ord("}")

    def __init__(self) -> None:
        self.pairs: list[tuple[str, Json]] = []
        self.name = ""

    def prepare(self, reader: _Reader) -> None:
        if reader.peek() != ord('"'):
            reader.fail(_NO_NAME)
        self.name = reader.read_string()
        reader.skip_space()
        if not reader.take(b":"):
            reader.fail("Missing a colon after a name of object member.")
        reader.skip_space()

    def add(self, reader: _Reader, value: Json) -> Json:
        self.pairs.append((self.name, value))
        reader.skip_space()
        if reader.take(b"}"):
            return self.value()
        if not reader.take(b","):
            reader.fail("Missing a comma or '}' after an object member.")
        reader.skip_space()
        self.prepare(reader)
        return _OPENED

    def value(self) -> Json:
        return make_object(self.pairs)
