"""Casts of columns that hold text: ids, words, lists of words."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from transforms.ingest.casting.base import decode, is_scalar, is_text, plain_type, to_text
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import Refusals
from transforms.ingest.rows.arrays import to_flags

MAX_WORD_BYTES = 1000
MAX_WORDS = 10_000
_WORDS_FOR_NOTHING = ("null", "none", "nil", "nan", "undefined")
_PLACEHOLDERS = pa.array(
    ["\\N", "NaN", *(f(w) for w in _WORDS_FOR_NOTHING for f in (str.lower, str.upper, str.title))]
)
_PLACEHOLDER_SIZES = sorted({len(word) for word in _PLACEHOLDERS.to_pylist()})
_BRACKETED = r"""^\[\s*(["'].*["']\s*)?\]\s*$"""


@dataclass(frozen=True)
class KeyCast:
    """An id: text, never missing, nor a word that programs write for what is missing."""

    type = pa.string()
    rule = "must hold ids: text or whole numbers"

    def accepts(self, source: pa.DataType) -> bool:
        return is_text(source) or types.is_integer(plain_type(source))

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        text = cast_text(name, values, refusals)
        sizes = pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
        refusals.refuse(sizes == 0, Reason.MISSING_KEY, f"`{name}` must not be empty", values)
        if np.isin(sizes, _PLACEHOLDER_SIZES).any():
            nothing = to_flags(pc.is_in(text, value_set=_PLACEHOLDERS))
            rule = f"`{name}` must not be a word for nothing"
            refusals.refuse(nothing, Reason.PLACEHOLDER_KEY, rule, text)
        return text


@dataclass(frozen=True)
class WordCast:
    """A word of a categorical feature: text; empty text is missing.

    Attributes:
        is_in: the only words there are; () for no such rule.
    """

    is_in: tuple[str, ...] = ()
    type = pa.string()
    rule = "must hold text, numbers or dates"

    def accepts(self, source: pa.DataType) -> bool:
        return is_text(source) or is_scalar(plain_type(source))

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        text = cast_text(name, values, refusals)
        is_empty = pc.equal(pc.binary_length(text), 0)
        if pc.any(is_empty).as_py():
            text = pc.if_else(is_empty, pa.scalar(None, pa.string()), text)
        rule = f"`{name}` must be one of {len(self.is_in)} words"
        refuse_unknown(text, self.is_in, Reason.UNKNOWN_WORD, rule, refusals)
        return text


@dataclass(frozen=True)
class WordsCast:
    """A list of words: a list column, or text split at the separator; no words is missing.

    Attributes:
        separator: between the words of a text.
        is_in: the only words there are; () for no such rule.
    """

    separator: str
    is_in: tuple[str, ...] = ()
    type = pa.list_(pa.string())
    rule = "must hold lists of words, or text"

    def accepts(self, source: pa.DataType) -> bool:
        if types.is_list(source) or types.is_large_list(source):
            return WordCast().accepts(source.value_type)
        return WordCast().accepts(source)

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        if types.is_list(values.type) or types.is_large_list(values.type):
            lists = values
        else:
            text = _utf8(name, values, refusals)
            if pc.any(pc.starts_with(text, "[")).as_py():
                rule = f"`{name}` must be words between {self.separator!r}"
                bracketed = to_flags(pc.match_substring_regex(text, _BRACKETED))
                refusals.refuse(bracketed, Reason.BRACKETED_LIST, rule, text)
            lists = pc.split_pattern(text, pattern=self.separator)
        sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        rule = f"`{name}` must have at most {MAX_WORDS} words"
        refusals.refuse(sizes > MAX_WORDS, Reason.LIST_TOO_LONG, rule, sizes)
        return self._clean(name, lists, refusals)

    def _clean(self, name: str, lists: pa.Array, refusals: Refusals) -> pa.Array:
        """Leaves missing and empty words out; a list without words becomes null."""
        parents = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
        inner = Refusals(len(parents))
        words = WordCast(self.is_in).cast(name, pc.list_flatten(lists), inner)
        refusals.refuse_lists(parents, inner)
        full = to_flags(pc.is_valid(words))
        sizes = np.bincount(parents[full], minlength=len(lists))
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        missing = np.append(sizes == 0, False)
        kept = words.filter(pa.array(full))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=missing), kept)


@dataclass(frozen=True)
class IsInCast:
    """Whether a column has one of the values, compared as text; missing is none of them.

    Attributes:
        values: the texts.
    """

    values: tuple[str, ...]
    type = pa.bool_()
    rule = WordCast.rule

    def accepts(self, source: pa.DataType) -> bool:
        return WordCast().accepts(source)

    def cast(self, name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
        text = cast_text(name, values, refusals)
        return pc.is_in(text, value_set=pa.array(self.values, pa.string()))


def cast_text(name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
    """Reads a column as text; what is no UTF-8 or longer than 1,000 bytes is refused."""
    text = _utf8(name, values, refusals)
    sizes = pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
    rule = f"`{name}` must have at most {MAX_WORD_BYTES} bytes"
    refusals.refuse(sizes > MAX_WORD_BYTES, Reason.VALUE_TOO_LONG, rule, sizes)
    return text


def _utf8(name: str, values: pa.Array, refusals: Refusals) -> pa.Array:
    """Reads a column as text; what is no UTF-8 or holds a NUL is refused."""
    values = decode(values)
    if types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    try:
        text = pc.cast(values, pa.string())
    except pa.ArrowInvalid:
        text = to_text(values)
        bad = to_flags(pc.not_equal(pc.cast(text, values.type), values))
        rule = f"`{name}` must be UTF-8 text"
        refusals.refuse(bad, Reason.WRONG_ENCODING, rule, text)
    if _may_hold_nul(text):
        with_nul = to_flags(pc.match_substring(text, "\0"))
        rule = f"`{name}` must hold no NUL"
        refusals.refuse(with_nul, Reason.NULL_CHARACTER, rule, text)
    return text


def _may_hold_nul(text: pa.Array) -> bool:
    """Whether there is a 0 among the bytes, those of other rows in the same buffer included."""
    data = np.frombuffer(text.buffers()[2] or b"", np.uint8)
    return bool(data.min(initial=1) == 0)


def refuse_unknown(
    words: pa.Array, known: tuple[str, ...], reason: Reason, rule: str, refusals: Refusals
) -> None:
    """Refuses words that are none of those known, if any are; a missing one is not looked at."""
    if known:
        is_known = pc.is_in(words, value_set=pa.array(known, pa.string()))
        bad = to_flags(pc.is_valid(words)) & ~to_flags(is_known)
        refusals.refuse(bad, reason, rule, words)
