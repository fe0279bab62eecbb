"""Reads CSV files in blocks, with memory that does not grow with the file."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyarrow import csv

from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import Refusal
from transforms.ingest.reading.csv_header import read_header
from transforms.ingest.reading.csv_lines import Lines, cut_lines, text_of, unreadable_rest
from transforms.ingest.reading.csv_repeats import without_headers
from transforms.ingest.reading.dialect import (
    BYTE_ORDER_MARK,
    MAX_ROW_BYTES,
    PIECE_BYTES,
    Dialect,
)
from transforms.ingest.reading.raw import RawBatch
from transforms.ingest.rows.arrays import Ints
from transforms.storage import open_stream

BLOCK_BYTES = 8 << 20


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
        A batch a block; rows that are no rows, and a rest that cannot be read, are in its
        `refused`.
    """
    names = read_header(path, dialect)
    for lines in without_headers(read_lines(path, dialect, block_bytes), dialect):
        yield _parse(lines, names, dialect, wanted)


def read_lines(path: str, dialect: Dialect, block_bytes: int = BLOCK_BYTES) -> Iterator[Lines]:
    """Reads the rows of a text file, the header among them, block by block."""
    carry, first, is_last = b"", 1, False
    with open_stream(path) as stream:
        while not is_last:
            data, error = _read_block(stream, block_bytes)
            is_last = not data and error is None
            if first == 1 and not carry:
                data = data.removeprefix(BYTE_ORDER_MARK)
            block = carry + dialect.recode(data)
            end = len(block) if is_last else block.rfind(b"\n") + 1
            # Of an endless line only so much is kept as shows that it is too long.
            carry = block[end:][: MAX_ROW_BYTES + 1]
            if end:
                whole = block[:end]
                if len(dialect.delimiter) > 1:
                    whole = whole.replace(dialect.delimiter.encode(), dialect.separator.encode())
                lines = cut_lines(whole, first, is_last, dialect)
                carry = whole[lines.consumed :] + carry
                first += lines.lines
                yield lines
            if error is not None:
                yield unreadable_rest(first, carry, error)
                return


def _read_block(stream: pa.NativeFile, size: int) -> tuple[bytes, Exception | None]:
    """The next bytes, and why there are no more although the file does not end there.

    Small pieces, because those before the broken one are good.
    """
    pieces = []
    try:
        while size > 0 and (piece := stream.read(min(size, PIECE_BYTES))):
            pieces.append(piece)
            size -= len(piece)
    except (OSError, pa.ArrowException) as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


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
    refused = (_uneven(lines, row, count, len(names)) for row, count in uneven)
    return RawBatch(
        columns,
        lines.numbers[places],
        lambda some: [text_of(lines.rows[int(place)]) for place in places[some]],
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
    if content[: len(BYTE_ORDER_MARK)] == pa.py_buffer(BYTE_ORDER_MARK):
        # The parser drops a mark wherever it begins; this one belongs to the row.
        return pa.py_buffer(BYTE_ORDER_MARK + content.to_pybytes())
    return content


def _uneven(lines: Lines, row: int, received: int, expected: int) -> Refusal:
    detail = f"a row must have {expected} values, one a column. Received: {received}"
    reason = Reason.TOO_FEW_VALUES if received < expected else Reason.TOO_MANY_VALUES
    return Refusal(int(lines.numbers[row]), reason, detail, text_of(lines.rows[row]))
