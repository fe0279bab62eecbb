"""Cuts a block of CSV text into rows and sets aside what can be no row.

A parser that meets a stray quote swallows every row up to the next one. So each row is
held against the grammar of RFC 4180 first, by one regular expression over all rows, and
only text that the parser cannot misread gets to it.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import MAX_DETAIL, MAX_TEXT, Refusal
from transforms.ingest.reading.dialect import MAX_ROW_BYTES, Dialect
from transforms.ingest.rows.arrays import Flags, Ints

_MAX_LINES_A_ROW = 100
_RULES = {
    Reason.WRONG_ENCODING: "a row must be UTF-8 text",
    Reason.NULL_CHARACTER: "a row must hold no NUL",
    Reason.BROKEN_QUOTING: "quotes must enclose a whole value, and line breaks stand inside quotes",
    Reason.ROW_TOO_LONG: f"a row must have at most {MAX_ROW_BYTES} bytes",
}


class Lines(NamedTuple):
    """The rows of a block.

    Attributes:
        rows: the text of each good row, binary [n], line break included.
        numbers: 1-based line at which each begins, int64 [n].
        refused: rows that were set aside.
        consumed: bytes of the block that are done; the rest belongs to the next block.
        lines: how many lines those bytes hold.
        every: the text of every row, refused or not, binary [m].
        starts: 1-based line at which each of those begins, int64 [m].
    """

    rows: pa.Array
    numbers: Ints
    refused: tuple[Refusal, ...]
    consumed: int
    lines: int
    every: pa.Array
    starts: Ints


def cut_lines(block: bytes, first: int, is_last: bool, dialect: Dialect) -> Lines:
    """Cuts a block into rows.

    Args:
        block: text that begins at the start of a row and, unless it is the last one,
            ends with a line break; not empty.
        first: 1-based number of its first line.
        is_last: whether the file ends here.
        dialect: how the text is written; a value in quotes may hold line breaks.
    """
    breaks = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    starts = np.concatenate([[0], breaks[breaks < len(block)]])
    suspicious = b'"' in block or block.count(b"\r") != block.count(b"\r\n")
    heads, used = np.arange(len(starts)), len(starts)
    if suspicious and dialect.quoting:
        heads, used = _join_lines(block, starts, dialect.row_pattern, is_last)
    consumed = int(starts[used]) if used < len(starts) else len(block)
    offsets = np.append(starts[heads], consumed)
    rows = _slice(block, offsets)
    sizes = np.diff(offsets)
    bad: dict[int, Reason] = {}
    if suspicious:
        fits = pc.match_substring_regex(rows, dialect.row_pattern).to_numpy(zero_copy_only=False)
        bad = dict.fromkeys(np.flatnonzero(~fits).tolist(), Reason.BROKEN_QUOTING)
    if b"\0" in block:
        bad |= dict.fromkeys(_with_nul(block, offsets), Reason.NULL_CHARACTER)
    bad |= _undecodable(memoryview(block)[:consumed], offsets)
    bad |= dict.fromkeys(np.flatnonzero(sizes > MAX_ROW_BYTES).tolist(), Reason.ROW_TOO_LONG)
    good = ~_is_empty(block, offsets[:-1], sizes)
    good[list(bad)] = False
    refused = (_refusal(rows[row], int(heads[row]) + first, bad[row]) for row in sorted(bad))
    text = rows if good.all() else rows.filter(pa.array(good))
    return Lines(text, heads[good] + first, tuple(refused), consumed, used, rows, heads + first)


def unreadable_rest(line: int, rest: bytes, error: Exception) -> Lines:
    """The end of a file that breaks off.

    Args:
        line: the first that could not be read whole.
        rest: what there is of it.
        error: why there is no more.
    """
    text = rest[: 4 * MAX_TEXT].decode("utf-8", "replace")[:MAX_TEXT]
    detail = f"cannot be read from line {line} on: {error}"[:MAX_DETAIL]
    none, nowhere = pa.array([], pa.binary()), np.array([], np.int64)
    refused = Refusal(line, Reason.UNREADABLE_REST, detail, text)
    return Lines(none, nowhere, (refused,), 0, 0, none, nowhere)


def _slice(block: bytes, offsets: Ints) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(block)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _join_lines(block: bytes, starts: Ints, pattern: str, is_last: bool) -> tuple[Ints, int]:
    """Joins a line that opens a quote with the lines up to the one that closes it.

    Returns:
        The lines at which rows begin, and how many lines are done: a quote that is still
        open near the end of the block may close in the next one.
    """
    ends = np.append(starts[1:], len(block))
    odd = pc.count_substring(_slice(block, np.append(starts, len(block))), b'"').to_numpy() % 2
    open_lines = np.flatnonzero(odd)
    is_head = np.ones(len(starts), dtype=bool)
    used, place = len(starts), 0
    while place < len(open_lines):
        line = open_lines[place]
        if place + 1 == len(open_lines):
            if not is_last and len(starts) - line <= _MAX_LINES_A_ROW:
                used = int(line)
            break
        closing = open_lines[place + 1]
        row = pa.array([block[starts[line] : ends[closing]]], pa.binary())
        if closing - line < _MAX_LINES_A_ROW and pc.match_substring_regex(row, pattern)[0].as_py():
            is_head[line + 1 : closing + 1] = False
            place += 1
        place += 1
    return np.flatnonzero(is_head[:used]), used


def _undecodable(text: memoryview, offsets: Ints) -> dict[int, Reason]:
    """Finds the rows that are no UTF-8: one pass over the text, taken up again after each."""
    bad: dict[int, Reason] = {}
    start = 0
    while start < len(text):
        try:
            str(text[start:], "utf-8")
            break
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(offsets, start + error.start, side="right")) - 1
            bad[row] = Reason.WRONG_ENCODING
            start = int(offsets[row + 1])
    return bad


def _with_nul(block: bytes, offsets: Ints) -> list[int]:
    """The rows that hold a NUL, each once."""
    places = np.flatnonzero(np.frombuffer(block, np.uint8)[: offsets[-1]] == 0)
    rows: list[int] = np.unique(np.searchsorted(offsets, places, side="right") - 1).tolist()
    return rows


def _is_empty(block: bytes, starts: Ints, sizes: Ints) -> Flags:
    first_byte = np.frombuffer(block, np.uint8)[starts]
    empty: Flags = (sizes <= 2) & ((first_byte == ord("\n")) | (first_byte == ord("\r")))
    return empty


def text_of(row: pa.Scalar) -> str:
    """The first characters of a row as text, whatever its bytes are."""
    content: bytes = row.as_buffer()[: 4 * MAX_TEXT].to_pybytes()
    return content.decode("utf-8", "replace").rstrip("\r\n")[:MAX_TEXT]


def _refusal(row: pa.Scalar, line: int, reason: Reason) -> Refusal:
    text = text_of(row)
    detail = f"{_RULES[reason]}. Received: {text[:100]!r} ({row.as_buffer().size} bytes)"
    return Refusal(line, reason, detail[:MAX_DETAIL], text)
