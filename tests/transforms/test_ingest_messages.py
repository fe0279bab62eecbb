"""Rows on their way to their partition, as bytes and as places in files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.ingest.rows.arrays import join_batches
from transforms.ingest.rows.messages import Stored, cut, pack, unpack

ROWS = pa.record_batch(
    {
        "number": pa.array(range(1000), pa.int64()),
        "word": pa.array([None if n % 7 == 0 else f"word {n}" for n in range(1000)]),
        "list": pa.array([["a"] * (n % 3) for n in range(1000)]),
    }
)


@pytest.fixture(params=["bytes", "files"])
def folder(request, tmp_path: Path) -> str | None:
    return str(tmp_path / "shuffle") if request.param == "files" else None


def test_each_partition_gets_its_rows_in_their_order(folder):
    partition = np.arange(1000) * 7919 % 5 * 16_000
    messages = dict(cut(ROWS.slice(3, 900), partition[3:903], folder))
    assert list(messages) == [0, 16_000, 32_000, 48_000, 64_000]
    assert all(isinstance(message, Stored) == bool(folder) for message in messages.values())
    for number, message in messages.items():
        rows = unpack([message], ROWS.schema)
        rows.validate(full=True)
        wanted = [n for n in range(3, 903) if partition[n] == number]
        assert rows.equals(ROWS.take(pa.array(wanted)))


def test_messages_of_both_forms_become_one_batch(tmp_path: Path):
    everything = np.zeros(1000, np.int64)
    ((_, stored),) = cut(ROWS, everything, str(tmp_path))
    rows = unpack([pack(ROWS.slice(0, 3)), stored, pack(ROWS.slice(5, 0))], ROWS.schema)
    assert rows.equals(join_batches([ROWS.slice(0, 3), ROWS], ROWS.schema))
    assert unpack([], ROWS.schema).equals(ROWS.slice(0, 0))


def test_rows_stay_readable_when_their_file_is_gone(tmp_path: Path):
    ((_, message),) = cut(ROWS, np.zeros(1000, np.int64), str(tmp_path))
    rows = unpack([message], ROWS.schema)
    Path(message.path).unlink()
    assert rows.equals(ROWS)


def test_no_rows_make_no_message_and_no_file(folder):
    assert list(cut(ROWS.slice(0, 0), np.array([], np.int64), folder)) == []
    assert folder is None or not Path(folder).exists()


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**16 - 1), max_size=50))
def test_no_row_is_lost_or_doubled(partition):
    rows = ROWS.slice(0, len(partition))
    messages = [message for _, message in cut(rows, np.array(partition, np.int64))]
    assert sorted(unpack(messages, rows.schema)["number"].to_pylist()) == list(range(len(rows)))
