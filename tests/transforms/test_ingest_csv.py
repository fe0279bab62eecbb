"""CSV: what is a row, what is not, and where it stands."""

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.ingest.reading import csv_blocks, csv_lines
from transforms.ingest.reading.csv_blocks import read_csv_file
from transforms.ingest.reading.csv_header import read_header
from transforms.ingest.reading.csv_lines import cut_lines
from transforms.ingest.reading.dialect import Dialect

COLUMNS = frozenset({"a", "b"})


def read(path: Path, content: bytes, block_bytes: int = 1 << 20, dialect: Dialect = Dialect()):  # noqa: B008
    path.write_bytes(content)
    rows, refused = [], []
    for batch in read_csv_file(str(path), dialect, COLUMNS, block_bytes):
        values = zip(batch.column("a").to_pylist(), batch.column("b").to_pylist(), strict=True)
        rows += list(zip(batch.rows.tolist(), values, strict=True))
        refused += [(r.row, r.reason.value, r.text) for r in batch.refused]
    return rows, sorted(refused)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_a_row_keeps_the_number_of_its_line_whatever_was_refused_before_it(path):
    content = b"a,b\n1,2\n3\n\n4,5,6\n\xff,7\n8,9\n"
    rows, refused = read(path, content)
    assert rows == [(2, ("1", "2")), (7, ("8", "9"))]
    assert refused == [
        (3, "too_few_values", "3"),
        (5, "too_many_values", "4,5,6"),
        (6, "wrong_encoding", "\ufffd,7"),
    ]


@pytest.mark.parametrize("block_bytes", [1, 2, 5, 7, 13, 1000])
def test_rows_and_refusals_do_not_depend_on_where_blocks_end(path, block_bytes):
    content = b'a,b\r\n"1","x\r\ny"\r\n"open,2\n3,"q""q"\n\xfe,4\n5,6,7\n\n"8",9'
    assert read(path, content, block_bytes) == read(path, content)


def test_a_stray_quote_costs_its_own_row_only(path):
    rows, refused = read(path, b'a,b\n"1,2\n3,4\n5"6,7\n8,"9\n10,11\n')
    assert [row for row, _ in rows] == [3, 6]
    assert [(row, reason) for row, reason, _ in refused] == [
        (2, "broken_quoting"),
        (4, "broken_quoting"),
        (5, "broken_quoting"),
    ]


def test_a_quoted_value_may_hold_line_breaks_delimiters_and_quotes(path):
    rows, refused = read(path, b'a,b\n"x\ny","1,""2"""\nz,3\n')
    assert rows == [(2, ("x\ny", '1,"2"')), (4, ("z", "3"))]
    assert not refused


def test_a_carriage_return_alone_is_no_line_break(path):
    rows, refused = read(path, b"a,b\n1\r2,3\n4,5\n")
    assert rows == [(3, ("4", "5"))]
    assert refused == [(2, "broken_quoting", "1\r2,3")]


def test_an_endless_row_is_refused_and_held_in_part_only(path, monkeypatch):
    monkeypatch.setattr(csv_blocks, "MAX_ROW_BYTES", 100)
    monkeypatch.setattr(csv_lines, "MAX_ROW_BYTES", 100)
    held = []

    def watched(block: bytes, *args):
        held.append(len(block))
        return cut_lines(block, *args)

    monkeypatch.setattr(csv_blocks, "cut_lines", watched)
    rows, refused = read(path, b"a,b\n" + b"x" * 5000 + b"\n1,2\n", block_bytes=64)
    assert max(held) < 200
    assert rows == [(3, ("1", "2"))]
    assert [(row, reason) for row, reason, _ in refused] == [(2, "row_too_long")]


def test_empty_values_are_missing_and_extra_columns_are_ignored(path):
    path.write_bytes(b'\xef\xbb\xbfb,extra,a\n,x,""\n2,y,1\n')
    (batch,) = read_csv_file(str(path), Dialect(), COLUMNS)
    assert batch.column("a").to_pylist() == [None, "1"]
    assert batch.column("b").to_pylist() == [None, "2"]
    assert set(batch.columns) == COLUMNS


def test_old_encodings_and_long_delimiters_are_read(path):
    dialect = Dialect("::", "latin-1", quoting=False, names=("a", "b"))
    rows, _ = read(path, 'Léon: "the" pro::2\n'.encode("latin-1"), 3, dialect)
    assert rows == [(1, ('Léon: "the" pro', "2"))]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "must begin with a header"),
        (b"\n1,2\n", "must begin with a header"),
        (b"\xff\xfea\0,\0b\0\n\0", "must be UTF-8"),
        (b'a,b "or" c\n1,2\n', "must begin with a header"),
        (b"a,b,a\n", "must name a column once"),
    ],
)
def test_a_file_without_a_header_is_refused_by_name(path, content, rule):
    path.write_bytes(content)
    with pytest.raises(InputError, match=rule) as error:
        read_header(str(path), Dialect())
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("suffix", "codec"), [(".gz", "gzip"), (".zst", "zstd")])
@pytest.mark.parametrize("block_bytes", [1000, 1 << 20])
def test_of_a_file_that_breaks_off_all_is_kept_that_came_before(
    tmp_path, suffix, codec, block_bytes
):
    values = [str(n * 2654435761 % 2**32) for n in range(100_000)]
    content = b"a,b\n" + b"".join(b"%d,%s\n" % (n, v.encode()) for n, v in enumerate(values))
    path = tmp_path / f"rows.csv{suffix}"
    whole = pa.compress(content, codec=codec, asbytes=True)
    rows, refused = read(path, whole[: len(whole) // 2], block_bytes)
    assert rows == [(n + 2, (str(n), values[n])) for n in range(len(rows))]
    assert len(rows) > 20_000
    ((line, reason, text),) = refused
    assert (line, reason) == (len(rows) + 2, "unreadable_rest")
    assert f"{len(rows)},{values[len(rows)]}".startswith(text)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_header_that_comes_again_is_refused(path, end):
    content = b"a,b\r\n1,2\n\xef\xbb\xbfa,b\n3,4\na,b" + end
    rows, refused = read(path, content, 8)
    assert [row for row, _ in rows] == [2, 4]
    assert [(row, reason) for row, reason, _ in refused] == [
        (3, "repeated_header"),
        (5, "repeated_header"),
    ]


def test_files_put_one_after_the_other_in_compressed_form_are_read_to_the_end(tmp_path):
    path = tmp_path / "rows.csv.gz"
    rows, refused = read(path, gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"a,b\n3,4\n"))
    assert rows == [(2, ("1", "2")), (4, ("3", "4"))]
    assert [reason for _, reason, _ in refused] == ["repeated_header"]


def test_a_row_with_nul_is_refused(path):
    rows, refused = read(path, b'a,b\n1,\0\n"2\n\0\0",3\n\0\xff,1\n4,5\n', 7)
    assert rows == [(6, ("4", "5"))]
    assert [(row, reason) for row, reason, _ in refused] == [
        (2, "null_character"),
        (3, "null_character"),
        (5, "wrong_encoding"),
    ]


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1), st.integers(1, 40))
def test_what_a_csv_writer_writes_is_read_back(tmp_path_factory, written, block_bytes):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *written])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    rows, refused = read(path, text.getvalue().encode(), block_bytes)
    assert [values for _, values in rows] == [(a or None, b or None) for a, b in written]
    assert not refused


NASTY = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b'""', b"\xff", b"\0", b"\xef\xbb\xbf"]),
    max_size=40,
)


@settings(deadline=None)
@given(NASTY.map(b"".join), st.integers(1, 20))
def test_any_bytes_are_rows_refusals_or_empty_lines(tmp_path_factory, content, block_bytes):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    rows, refused = read(path, b"a,b\n" + content, block_bytes)
    assert (rows, refused) == read(path, b"a,b\n" + content)
    numbers = [row for row, _ in rows] + [row for row, _, _ in refused]
    assert len(set(numbers)) == len(numbers)


def test_memory_of_a_row_is_not_shared_between_good_and_bad():
    lines = cut_lines(b'1,2\n"3\n', 1, True, Dialect())
    assert lines.rows.to_pylist() == [b"1,2\n"]
    assert lines.numbers.tolist() == [1]
    assert lines.consumed == 7
    assert lines.lines == 2
