"""The hash that everybody can compute, and the splits made of it or of time."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.ingest.joining import splits
from transforms.ingest.joining.splits import Times, flag_eval
from transforms.ingest.rows.hashing import hash_text
from transforms.logs import Split

MASK = (1 << 64) - 1


def slow_hash(text: str, salt: str) -> int:
    state = 0xCBF29CE484222325
    for byte in (salt + text).encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ state >> 33) * factor & MASK
    return state ^ state >> 33


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=20), st.text(max_size=4))
def test_the_hash_is_fnv_1a_with_murmurs_finaliser(texts, salt):
    hashes = hash_text(pa.array(texts, pa.string()), salt)
    assert hashes.tolist() == [slow_hash(text, salt) for text in texts]


def test_the_hash_never_changes():
    hashes = hash_text(pa.array(["", "user", "é"]))
    assert [f"{h:016x}" for h in hashes.tolist()] == [
        *("efd01f60ba992926", "37543de63aa9bac7", "9d55ccb9ba86763b"),
    ]


def users(count: int) -> pa.RecordBatch:
    ids = pa.array([f"user{i}" for i in range(count)])
    return pa.record_batch({"user_id": ids, "request_id": pa.array(["r"] * count)})


def test_so_many_users_are_in_eval_as_the_fraction_says():
    assert flag_eval(users(100_000), Split(eval_fraction=0.1), None).mean() == pytest.approx(
        0.1, abs=0.004
    )


def test_all_rows_of_a_request_are_on_one_side():
    assert len(set(flag_eval(users(100), Split(by="request"), None).tolist())) == 1


def test_another_salt_is_another_split():
    rows = users(1000)
    first, second = (flag_eval(rows, Split(salt=salt, eval_fraction=0.5), None) for salt in "ab")
    assert 0.4 < (first == second).mean() < 0.6


def test_by_time_the_fraction_is_a_quantile():
    times = Times.of(np.arange(1000))
    assert times.eval_from(Split(by="time", eval_fraction=0.1)) == 900


def test_by_time_eval_last_counts_back_from_the_last_row():
    times = Times.of(np.array([0, 5000, 86_400_000]))
    assert times.eval_from(Split(by="time", eval_last="1d")) == 1
    rows = pa.record_batch({"timestamp": pa.array([0, 1, 2])})
    assert flag_eval(rows, Split(by="time"), 1).tolist() == [False, True, True]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 500)), min_size=1, max_size=6), st.randoms())
def test_the_threshold_does_not_depend_on_how_rows_were_grouped(groups, random):
    whole = Times.of(np.array([time for group in groups for time in group], np.int64))
    random.shuffle(groups)
    merged = Times.of(np.array([], np.int64))
    for group in groups:
        merged = merged.plus(Times.of(np.array(group, np.int64)))
    assert (merged.width, merged.last) == (whole.width, whole.last)
    assert merged.bins.tolist() == whole.bins.tolist()
    assert merged.counts.tolist() == whole.counts.tolist()


def test_a_histogram_of_many_times_stays_small_and_counts_all(monkeypatch):
    monkeypatch.setattr(splits, "MAX_BINS", 100)
    times = Times.of(np.arange(1000)).plus(Times.of(np.arange(500, 5000)))
    assert times.width == 64
    assert len(times.bins) <= 100
    assert times.counts.sum() == 5500
