"""Reads the names of a CSV file's columns."""

import csv

import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import InputError
from transforms.ingest.reading.dialect import BYTE_ORDER_MARK, MAX_ROW_BYTES, PIECE_BYTES, Dialect
from transforms.storage import open_stream


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
            data = stream.read(PIECE_BYTES)
            if not data:
                break
            line += data
    head = dialect.recode(bytes(line).partition(b"\n")[0]).removeprefix(BYTE_ORDER_MARK)
    try:
        text = head.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text: {error.reason}") from None
    is_row = pc.match_substring_regex(pa.array([text]), dialect.row_pattern)
    if not text.strip() or len(head) > MAX_ROW_BYTES or "\0" in text or not is_row[0].as_py():
        raise InputError(f"{path}: must begin with a header of column names")
    names = _split_header(text, dialect)
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"{path}: the header must name a column once. Received twice: {twice}")
    return names


def _split_header(text: str, dialect: Dialect) -> tuple[str, ...]:
    if dialect.quoting:
        names = next(iter(csv.reader([text], delimiter=dialect.delimiter)))
    else:
        names = text.split(dialect.delimiter)
    if dialect.typed_header:
        names = [name.partition(":")[0] for name in names]
    return tuple(name.strip() for name in names)
