"""tf.Examples and TFRecords, held against the readers that others wrote."""

import errno
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_inputs import decode, read_records

from transforms.errors import DiskFullError
from transforms.ingest.writing.examples import encode_examples
from transforms.ingest.writing.tfrecord import frame, shard_path, write_records
from transforms.ingest.writing.wire import varint

WORDS = st.text(max_size=300)
FLOATS = st.floats(width=32, allow_nan=False)
COLUMNS = {
    "word": (pa.string(), st.none() | WORDS),
    "words": (pa.list_(pa.string()), st.none() | st.lists(WORDS, max_size=5)),
    "number": (pa.float32(), st.none() | FLOATS),
    "label": (pa.float32(), FLOATS),
    "weight": (pa.float32(), FLOATS),
    "position": (pa.int64(), st.none() | st.integers(0, 2**63 - 1)),
    "a_name_" + "x" * 130: (pa.string(), WORDS),
}
ROWS = st.lists(st.fixed_dictionaries({name: values for name, (_, values) in COLUMNS.items()}))


def expected(row):
    """The row as tf.Example has it: lists, bytes, nothing that is missing or empty."""
    result = {}
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if value is not None and values:
            result[name] = [v.encode() if isinstance(v, str) else v for v in values]
    return result


@settings(deadline=None)
@given(ROWS, st.integers(0, 3))
def test_examples_hold_the_columns(rows, start):
    columns = {
        name: pa.array([row[name] for row in rows], type_).slice(start)
        for name, (type_, _) in COLUMNS.items()
    }
    records = encode_examples(columns).to_pylist()
    assert decode(records) == [expected(row) for row in rows[start:]]


def test_an_example_has_its_features_in_the_order_given():
    columns = {"b": pa.array(["1"]), "a": pa.array(["2"]), "c": pa.array([0.5], pa.float32())}
    (record,) = encode_examples(columns).to_pylist()
    entries = [
        "0a0a0a016212050a030a0131",
        "0a0a0a016112050a030a0132",
        "0a0d0a0163120812060a040000003f",
    ]
    assert record.hex() == "0a27" + "".join(entries)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_varints_have_seven_bits_a_byte(number):
    data = varint(number)
    assert sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(data)) == number
    assert [byte >> 7 for byte in data] == [1] * (len(data) - 1) + [0]


def test_records_are_read_back_with_their_checksums(tmp_path: Path):
    path = Path(shard_path(str(tmp_path), 0, 1))
    batches = [pa.array([b"one", b"", b"x" * 70_000]), pa.array([], pa.binary()), pa.array([b"4"])]
    write_records(str(path), batches)
    assert list(read_records(path)) == [b"one", b"", b"x" * 70_000, b"4"]
    assert path.name == "data_tfrecord-00000-of-00001.gz"


def test_a_frame_is_what_the_format_says():
    # Length, its masked checksum, data, its masked checksum: of "abc", computed by hand from
    # crc32c("abc") = 364b3fb7.
    framed = bytes(frame(pa.array([b"abc"])))
    assert framed[:8] == (3).to_bytes(8, "little")
    assert framed[12:15] == b"abc"
    crc = 0x364B3FB7
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert framed[15:] == masked.to_bytes(4, "little")


def test_a_file_without_records_is_a_valid_empty_file(tmp_path: Path):
    path = tmp_path / "empty.gz"
    write_records(str(path), [])
    assert gzip.decompress(path.read_bytes()) == b""


def test_the_gzip_header_has_no_time(tmp_path: Path):
    path = tmp_path / "records.gz"
    write_records(str(path), [pa.array([b"x"])])
    assert path.read_bytes()[4:8] == b"\0\0\0\0"


def test_a_failing_write_leaves_no_file(tmp_path: Path):
    def batches():
        yield pa.array([b"x"])
        raise OSError(errno.ENOSPC, "Error writing bytes. Detail: [errno 28] and so on")

    with pytest.raises(DiskFullError, match=r"records\.gz: cannot be written: No space left on"):
        write_records(str(tmp_path / "records.gz"), batches())
    assert not list(tmp_path.iterdir())


def test_float_columns_keep_every_bit():
    values = np.array([0.1, -0.0, 1e-45, 3.4028235e38], np.float32)
    rows = decode(encode_examples({"x": pa.array(values)}).to_pylist())
    assert np.array([row["x"][0] for row in rows], np.float32).tobytes() == values.tobytes()
