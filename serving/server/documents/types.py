"""How the server holds a parsed JSON document.

Objects are dicts, strings are `str` in which bytes that are no UTF-8 stand as lone
surrogates (`surrogateescape`), integers that fit 64 bits are `int`, other numbers `float`.
"""

from collections.abc import Iterable
from typing import Any

from serving.server.status import ServingError, invalid_argument

Json = Any


class DuplicateKeys(dict[str, Json]):
    """An object that names a key twice: a look-up finds the first, `members` sees all.

    Args:
        pairs: all members, in the order of the document.

    Example:
        >>> twice = DuplicateKeys([("a", 1), ("a", 2)])
        >>> twice["a"], list(members(twice))
        (1, [('a', 1), ('a', 2)])
    """

    def __init__(self, pairs: list[tuple[str, Json]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def make_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """The object of these members.

    Example:
        >>> make_object([("a", 1), ("b", 2)])
        {'a': 1, 'b': 2}
    """
    result = dict(pairs)
    return result if len(result) == len(pairs) else DuplicateKeys(pairs)


def members(value: dict[str, Json]) -> Iterable[tuple[str, Json]]:
    """All members of an object, also those whose key came before."""
    return value.pairs if isinstance(value, DuplicateKeys) else value.items()


def to_bytes(text: str) -> bytes:
    """The bytes that the document held for a string.

    Example:
        >>> to_bytes(chr(0xDCFF))
        b'\\xff'
    """
    return text.encode("utf-8", "surrogateescape")


def type_word(value: Json) -> str:
    """The kind of a JSON value, as error messages call it.

    Example:
        >>> type_word([1]), type_word(True), type_word(1.5)
        ('Array', 'True', 'Number')
    """
    match value:
        case None:
            return "Null"
        case True:
            return "True"
        case False:
            return "False"
        case str():
            return "String"
        case list():
            return "Array"
        case dict():
            return "Object"
    return "Number"


def parse_error(message: str, offset: int) -> ServingError:
    """The refusal of a text that is no JSON.

    Args:
        message: what is wrong.
        offset: of the byte where it shows.
    """
    return invalid_argument(f"JSON Parse error: {message} at offset: {offset}")
