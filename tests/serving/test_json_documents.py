"""Request documents: read in C where that is exact, byte by byte elsewhere, with equal results."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.server.documents.document import read_document, read_exact_doubles
from serving.server.documents.printer import debug_string
from serving.server.documents.reader import read_exactly
from serving.server.documents.types import members
from serving.server.status import ServingError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(width=32)
    | st.text(max_size=8)
)
DOCUMENTS = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=20,
    ),
    max_size=4,
)


def refusal(text: bytes) -> str:
    with pytest.raises(ServingError) as raised:
        read_document(text)
    return raised.value.message


@given(DOCUMENTS)
@example({"a": [math.nan, "NaN"]})
@example({"a": [1.5, None], "b": math.inf})
@example({"deep": {"deeper": {"x": [{"y": 1}]}}})
def test_both_readers_agree_on_every_document(document: Any) -> None:
    text = json.dumps(document).encode()
    assert repr(read_both(text)) == repr(read_exactly(text))


@given(
    DOCUMENTS, st.integers(0, 200), st.sampled_from(b'{}[],:"\\ \x00\x01truefalsNI0123.eE+-\xff')
)
def test_both_readers_agree_on_every_broken_document(document: Any, at: int, byte: int) -> None:
    text = bytearray(json.dumps(document, ensure_ascii=False).encode())
    text[min(at, len(text) - 1)] = byte
    assert outcome(read_both, bytes(text)) == outcome(read_exactly, bytes(text))


def read_both(text: bytes) -> Any:
    return read_exact_doubles(text, read_document(text))


def outcome(read: Any, text: bytes) -> str:
    try:
        return repr(read(text))
    except ServingError as error:
        return error.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"  ", "The document is empty. at offset: 2"),
        (b"]", "The document is empty. at offset: 0"),
        (b"instances = [1]", "Invalid value. at offset: 0"),
        (b"[1,]", "Invalid value. at offset: 3"),
        (b"[1 2]", "Missing a comma or ']' after an array element. at offset: 3"),
        (b"[nul]", "Invalid value. at offset: 4"),
        (b'{"a": 1, }', "Missing a name for object member. at offset: 9"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a": 1 "b"}', "Missing a comma or '}' after an object member. at offset: 8"),
        (b'{"a": ', "Invalid value. at offset: 6"),
        (b'["a', "Missing a closing quotation mark in string. at offset: 3"),
        (b'["\\x"]', "Invalid escape character in string. at offset: 2"),
        (b'["a\nb"]', "Invalid escape character in string. at offset: 3"),
        (b'["\\u12x4"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
        (b'["\\ud800x"]', "The surrogate pair in string is invalid. at offset: 2"),
        (b"[1.]", "Miss fraction part in number. at offset: 3"),
        (b"[1e+]", "Miss exponent in number. at offset: 4"),
        (b"[1e309]", "Number too big to be stored in double. at offset: 1"),
        (b"[01]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[-]", "Invalid value. at offset: 2"),
    ],
)
def test_an_error_says_what_and_where(text: bytes, message: str) -> None:
    assert refusal(text) == f"JSON Parse error: {message}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"[NaN, Inf, -Infinity, -NaN]", "[nan, inf, -inf, nan]"),
        (b"\xef\xbb\xbf[1]", "[1]"),
        (b"[1]\x00garbage", "[1]"),
        (b'{"a": 1}}', "{'a': 1}"),
        (b"[1.7976931348623157e308]", "[1.7976931348623157e+308]"),
        (b"[1e-400]", "[0.0]"),
        (
            b"[18446744073709551615, 18446744073709551616]",
            "[18446744073709551615, 1.8446744073709552e+19]",
        ),
        (
            b"[-9223372036854775808, -9223372036854775809]",
            "[-9223372036854775808, -9.223372036854776e+18]",
        ),
        (b'["\xff"]', repr([chr(0xDCFF)])),
        (b'["\\ud83d\\ude00"]', repr(["😀"])),
    ],
)
def test_what_is_accepted_beyond_json(text: bytes, value: str) -> None:
    assert repr(read_document(text)) == value


def test_nesting_has_no_bound_and_costs_no_stack() -> None:
    document = read_document(b"[" * 500_000 + b"]" * 500_000)
    depth = 0
    while document:
        document, depth = document[0], depth + 1
    assert depth == 499_999


def test_of_equal_keys_the_first_counts_and_all_are_seen() -> None:
    document = read_document(b'{"a": 1, "b": {"c": 2, "c": 3}, "a": 4}')
    assert document["a"] == 1
    assert list(members(document)) == [("a", 1), ("b", {"c": 2}), ("a", 4)]


def test_doubles_of_many_digits_are_read_as_by_the_real_parser() -> None:
    body = b'{"x": [0.1234567890123456789, 123456789012345678.5]}'
    assert read_exact_doubles(body, read_document(body)) == read_exactly(body)
    assert read_exactly(b"[0.30000000000000004]") == [0.30000000000000004]


def test_a_huge_broken_document_is_refused_at_once() -> None:
    message = refusal(b"[" + b"1," * 3_000_000 + b"}")
    assert message.startswith("JSON Parse error: ")


def test_long_values_are_cut_at_the_first_token_behind_256_bytes() -> None:
    text = debug_string({"a": list(range(200))})
    assert text.startswith('{\n    "a": [0, 1, 2')
    assert 256 <= len(text) < 262


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "[]"),
        ({}, "{}"),
        ({"a": {}}, '{\n    "a": {}\n}'),
        ([1.5, 1e30, 1e-7, 123456789.0, -0.0], "[1.5, 1e30, 1e-7, 123456789.0, -0.0]"),
        (['"\\\n\x01/é'], '["\\"\\\\\\n\\u0001/é"]'),
        ([None, True, False], "[null, true, false]"),
        ([1, math.nan, 2], "[1, "),
    ],
)
def test_values_in_messages_look_as_the_real_server_prints_them(value: Any, text: str) -> None:
    assert debug_string(value) == text
