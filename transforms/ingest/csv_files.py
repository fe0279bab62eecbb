"""Reads CSV files in blocks, with memory that does not grow with the file."""

import csv as python_csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from transforms.errors import InputError
from transforms.ingest.csv_lines import MAX_ROW_BYTES, Lines, cut_lines, row_pattern
from transforms.ingest.reasons import Reason
from transforms.ingest.rows import MAX_TEXT, Ints, RawBatch, Refusal
from transforms.ingest.storage import open_stream

BLOCK_BYTES = 8 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        delimiter: between values; one character, or several where values are not quoted.
        encoding: `utf-8` or `latin-1`.
        quoting: whether values may stand in double quotes.
        names: the columns, where the file has no header.
        typed_header: whether the header writes a type after each name, as in `age:float`.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    quoting: bool = True
    names: tuple[str, ...] = ()
    typed_header: bool = False

    @property
    def separator(self) -> str:
        """The one character that the parser splits at."""
        return self.delimiter if len(self.delimiter) == 1 else "\x1f"

    def recode(self, data: bytes) -> bytes:
        """Brings a part of the file to UTF-8."""
        return data if self.encoding == "utf-8" else data.decode(self.encoding).encode()


def read_header(path: str, dialect: Dialect) -> tuple[str, ...]:
    """Reads a file's column names, which stand in its first line.

    Raises:
        InputError: if there is no header, it is no UTF-8, or names a column twice.
    """
    if dialect.names:
        return dialect.names
    line = bytearray()
    with open_stream(path) as stream:
        while b"\n" not in line and len(line) <= MAX_ROW_BYTES:
            data = stream.read(1 << 16)
            if not data:
                break
            line += data
    head = dialect.recode(bytes(line).partition(b"\n")[0]).removeprefix(_BYTE_ORDER_MARK)
    try:
        text = head.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text: {error.reason}") from None
    is_row = pc.match_substring_regex(
        pa.array([text]), row_pattern(dialect.separator, dialect.quoting)
    )
    if not text.strip() or len(head) > MAX_ROW_BYTES or "\0" in text or not is_row[0].as_py():
        raise InputError(f"{path}: must begin with a header of column names")
    names = _split_header(text, dialect)
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"{path}: the header must name a column once. Received twice: {twice}")
    return names


def _split_header(text: str, dialect: Dialect) -> tuple[str, ...]:
    if dialect.quoting:
        names = next(iter(python_csv.reader([text], delimiter=dialect.delimiter)))
    else:
        names = text.split(dialect.delimiter)
    if dialect.typed_header:
        names = [name.partition(":")[0] for name in names]
    return tuple(name.strip() for name in names)


def read_csv_file(
    path: str, dialect: Dialect, wanted: frozenset[str], block_bytes: int = BLOCK_BYTES
) -> Iterator[RawBatch]:
    """Reads a CSV file.

    Args:
        path: the file; `.gz` and `.zst` are decompressed.
        dialect: how it is written.
        wanted: the columns to keep; all come as text, empty values as null.
        block_bytes: how much is held at a time.

    Yields:
        A batch a block; rows that are no rows are in its `refused`.
    """
    names = read_header(path, dialect)
    pattern = row_pattern(dialect.separator, dialect.quoting)
    for lines in _read_lines(path, dialect, pattern, block_bytes):
        if not dialect.names and len(lines.numbers) and lines.numbers[0] == 1:
            lines = lines._replace(rows=lines.rows[1:], numbers=lines.numbers[1:])
        yield _parse(lines, names, dialect, wanted)


def _read_lines(path: str, dialect: Dialect, pattern: str, block_bytes: int) -> Iterator[Lines]:
    carry, first, is_last = b"", 1, False
    with open_stream(path) as stream:
        while not is_last:
            data = stream.read(block_bytes)
            is_last = not data
            if first == 1 and not carry:
                data = data.removeprefix(_BYTE_ORDER_MARK)
            block = carry + dialect.recode(data)
            end = len(block) if is_last else block.rfind(b"\n") + 1
            # Of an endless line only so much is kept as shows that it is too long.
            carry = block[end:][: MAX_ROW_BYTES + 1]
            if end:
                whole = block[:end]
                if len(dialect.delimiter) > 1:
                    whole = whole.replace(dialect.delimiter.encode(), dialect.separator.encode())
                lines = cut_lines(whole, first, is_last, pattern, dialect.quoting)
                carry = whole[lines.consumed :] + carry
                first += lines.lines
                yield lines


def _parse(
    lines: Lines, names: tuple[str, ...], dialect: Dialect, wanted: frozenset[str]
) -> RawBatch:
    uneven: list[tuple[int, int]] = []

    def skip(row: csv.InvalidRow) -> str:
        uneven.append((row.number - 1, row.actual_columns))
        return "skip"

    keep = [name for name in names if name in wanted]
    columns = _split_rows(lines.rows, names, keep, dialect, skip)
    good = np.ones(len(lines.rows), dtype=bool)
    good[[row for row, _ in uneven]] = False
    places = np.flatnonzero(good)
    refused = (_wrong_columns(lines, row, count, len(names)) for row, count in uneven)
    return RawBatch(
        columns,
        lines.numbers[places],
        lambda some: [_text(lines.rows[int(place)]) for place in places[some]],
        (*lines.refused, *refused),
    )


def _split_rows(
    rows: pa.Array,
    names: tuple[str, ...],
    keep: list[str],
    dialect: Dialect,
    skip: Callable[[csv.InvalidRow], str],
) -> dict[str, pa.Array]:
    """Splits well-formed rows into columns of text; `skip` gets the uneven ones."""
    if not len(rows):
        return {name: pa.array([], pa.string()) for name in keep}
    table = csv.read_csv(
        pa.BufferReader(_content(rows)),
        csv.ReadOptions(use_threads=False, column_names=names, block_size=1 << 30),
        csv.ParseOptions(
            delimiter=dialect.separator,
            quote_char='"' if dialect.quoting else False,
            newlines_in_values=dialect.quoting,
            ignore_empty_lines=False,
            invalid_row_handler=skip,
        ),
        csv.ConvertOptions(
            check_utf8=False,
            column_types={name: pa.string() for name in keep},
            include_columns=keep,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    empty = pa.array([], pa.string())
    return {name: pa.concat_arrays([empty, *table.column(name).chunks]) for name in keep}


def _content(rows: pa.Array) -> pa.Buffer:
    """The text of contiguous rows as one buffer."""
    offsets: Ints = np.frombuffer(rows.buffers()[1], np.int32)
    start, end = offsets[rows.offset], offsets[rows.offset + len(rows)]
    content = rows.buffers()[2].slice(int(start), int(end - start))
    if content[: len(_BYTE_ORDER_MARK)] == pa.py_buffer(_BYTE_ORDER_MARK):
        # The parser drops a mark wherever it begins; this one belongs to the row.
        return pa.py_buffer(_BYTE_ORDER_MARK + content.to_pybytes())
    return content


def _text(row: pa.Scalar) -> str:
    content: bytes = row.as_buffer()[: 4 * MAX_TEXT].to_pybytes()
    return content.decode("utf-8", "replace").rstrip("\r\n")[:MAX_TEXT]


def _wrong_columns(lines: Lines, row: int, received: int, expected: int) -> Refusal:
    detail = f"a row must have {expected} values, one a column. Received: {received}"
    reason = Reason.WRONG_NUMBER_OF_COLUMNS
    return Refusal(int(lines.numbers[row]), reason, detail, _text(lines.rows[row]))
