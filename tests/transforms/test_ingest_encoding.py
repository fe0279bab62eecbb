"""tf.Examples and TFRecords, held against protobuf and the readers that others wrote."""

import errno
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from example_proto import Example, make_example
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_inputs import decode, encode, encode_rows, read_records, to_bytes

from transforms.errors import DiskFullError
from transforms.ingest.writing.pieces import Values
from transforms.ingest.writing.tfrecord import find_shards, frames, shard_path, write_records
from transforms.ingest.writing.wire import varint

WORDS = st.text(max_size=300)
FLOATS = st.floats(width=32, allow_nan=False)
INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 300)
COLUMNS = {
    "word": (pa.string(), st.none() | WORDS),
    "words": (pa.list_(pa.string()), st.none() | st.lists(WORDS, max_size=5)),
    "number": (pa.float32(), st.none() | FLOATS),
    "label": (pa.float32(), FLOATS),
    "weight": (pa.float32(), FLOATS),
    "position": (pa.int64(), st.none() | INTS),
    "a_name_" + "x" * 130: (pa.string(), WORDS),
}
ROWS = st.lists(st.fixed_dictionaries({name: values for name, (_, values) in COLUMNS.items()}))
LENGTHS = [0, 1, 2, 3, 127, 128, 129, 16_383, 16_384, 65_535, 65_536, 2_100_000]


def to_columns(rows, start=0):
    return {
        name: pa.array([row[name] for row in rows], type_).slice(start)
        for name, (type_, _) in COLUMNS.items()
    }


def content(record):
    """What stands behind the head of a serialised example."""
    size = len(record) - 2
    while len(varint(size)) + size + 1 > len(record):
        size -= 1
    return record[len(record) - size :]


@settings(deadline=None)
@given(ROWS, st.integers(0, 3))
def test_protobuf_and_tfx_bsl_read_what_the_columns_hold(rows, start):
    records = encode(to_columns(rows, start))
    wanted = [make_example(row) for row in rows[start:]]
    assert [Example.FromString(record) for record in records] == wanted
    assert [make_example_of(row) for row in decode(records)] == wanted


def make_example_of(row):
    text = {n: [w.decode() for w in v] for n, v in row.items() if isinstance(v[0], bytes)}
    return make_example(row | text)


@settings(deadline=None)
@given(ROWS)
def test_each_entry_is_byte_for_byte_what_protobuf_writes(rows):
    for name, column in to_columns(rows).items():
        wanted = [make_example({name: row[name]}).SerializeToString() for row in rows]
        assert encode({name: column}) == wanted


@settings(deadline=None)
@given(ROWS)
def test_an_example_is_its_entries_text_and_ints_first_and_floats_without_nulls_last(rows):
    columns = to_columns(rows)
    floats = [name for name, column in columns.items() if pa.types.is_float32(column.type)]
    order = [name for name in columns if name not in floats]
    order += sorted(floats, key=lambda name: columns[name].null_count == 0)
    alone = [[content(record) for record in encode({name: columns[name]})] for name in order]
    together = [content(record) for record in encode(columns)]
    assert together == [b"".join(parts) for parts in zip(*alone, strict=True)]


def test_an_example_has_its_features_in_the_order_given():
    columns = {"b": pa.array(["1"]), "a": pa.array(["2"]), "c": pa.array([0.5], pa.float32())}
    (record,) = encode(columns)
    entries = [
        "0a0a0a016212050a030a0131",
        "0a0a0a016112050a030a0132",
        "0a0d0a0163120812060a040000003f",
    ]
    assert record.hex() == "0a27" + "".join(entries)


@pytest.mark.parametrize("lengths", [LENGTHS, range(200), [7] * 5], ids=["long", "many", "one"])
def test_text_of_any_length_is_what_protobuf_writes(lengths):
    words = [chr(ord("a") + place % 26) * length for place, length in enumerate(lengths)]
    text = pa.array([None, *words, None, *words])
    for column in (text, pa.array([[], words, [*words, ""], None, ["a", *words]])):
        wanted = [make_example({"x": value}).SerializeToString() for value in column.to_pylist()]
        assert encode({"x": column}) == wanted


@pytest.mark.parametrize("bits", range(0, 64, 7))
def test_ints_around_each_power_of_128_are_what_protobuf_writes(bits):
    numbers = [min((1 << bits) + step, 2**63 - 1) for step in (-1, 0, 1)]
    numbers += [-number for number in numbers]
    wanted = [make_example({"x": number}).SerializeToString() for number in numbers]
    assert encode({"x": pa.array(numbers, pa.int64())}) == wanted


def test_float_columns_keep_every_bit():
    values = np.array([0.1, -0.0, 1e-45, 3.4028235e38, np.nan], np.float32)
    rows = decode(encode({"x": pa.array(values)}))
    assert np.array([row["x"][0] for row in rows], np.float32).tobytes() == values.tobytes()


def test_rows_of_several_batches_stay_in_their_order():
    rows = pa.record_batch({"x": pa.array([str(n) for n in range(40_000)])})
    found = [row["x"][0] for row in decode(encode_rows(rows.slice(3)))]
    assert found == [str(n).encode() for n in range(3, 40_000)]


def test_a_list_with_a_null_and_a_column_of_another_type_are_no_example():
    with pytest.raises(AssertionError, match=r"x: no tf\.Example holds a list with a null"):
        encode({"x": pa.array([["a", None]])})
    with pytest.raises(AssertionError, match=r"x: no tf\.Example holds double"):
        encode({"x": pa.array([1.0])})


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_varints_have_seven_bits_a_byte(number):
    data = varint(number)
    assert sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(data)) == number
    assert [byte >> 7 for byte in data] == [1] * (len(data) - 1) + [0]


@settings(deadline=None)
@given(st.lists(st.none() | st.binary(max_size=300)), st.integers(0, 3))
def test_values_are_what_the_column_holds(values, start):
    column = pa.array(values, pa.binary()).slice(start)
    assert to_bytes(Values(column)) == [value or b"" for value in values[start:]]


def values(*records):
    return Values(pa.array(records, pa.binary()))


@pytest.mark.parametrize("gzip_level", [0, 2, 9])
def test_records_are_read_back_with_their_checksums(tmp_path: Path, gzip_level):
    path = Path(shard_path(str(tmp_path), 0, 1, gzip_level))
    batches = [values(b"one", b"", b"x" * 70_000), values(), values(b"4")]
    write_records(str(path), batches, gzip_level)
    assert list(read_records(path)) == [b"one", b"", b"x" * 70_000, b"4"]
    assert path.name == "data_tfrecord-00000-of-00001" + (".gz" if gzip_level else "")
    assert find_shards(tmp_path) == [path]


def test_a_frame_is_what_the_format_says():
    # Length, its masked checksum, data, its masked checksum: of "abc", computed by hand from
    # crc32c("abc") = 364b3fb7.
    framed = next(frames([values(b"abc")])).tobytes()
    assert framed[:8] == (3).to_bytes(8, "little")
    assert framed[12:15] == b"abc"
    crc = 0x364B3FB7
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert framed[15:] == masked.to_bytes(4, "little")


def test_a_file_without_records_is_a_valid_empty_file(tmp_path: Path):
    write_records(str(tmp_path / "empty.gz"), [], 1)
    assert gzip.decompress((tmp_path / "empty.gz").read_bytes()) == b""
    write_records(str(tmp_path / "empty"), [], 0)
    assert (tmp_path / "empty").read_bytes() == b""


def test_the_gzip_header_has_no_time(tmp_path: Path):
    path = tmp_path / "records.gz"
    write_records(str(path), [values(b"x")], 1)
    assert path.read_bytes()[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("gzip_level", [0, 2])
def test_a_failing_write_leaves_no_file(tmp_path: Path, gzip_level):
    def batches():
        yield values(b"x")
        raise OSError(errno.ENOSPC, "Error writing bytes. Detail: [errno 28] and so on")

    with pytest.raises(DiskFullError, match=r"records: cannot be written: No space left on"):
        write_records(str(tmp_path / "records"), batches(), gzip_level)
    assert not list(tmp_path.iterdir())
