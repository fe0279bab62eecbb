"""Dated logs that cannot be ingested, and ingestions of days that die or meet another one."""

import shutil
from pathlib import Path

import pytest
from ingest_inputs import feedback, impression, write_parquet
from rolling_inputs import (
    DAYS,
    FIRST,
    LAST,
    PLAIN,
    WHOLE,
    Count,
    dated_config,
    random_days,
    rolling,
    versions,
    write_days,
)

from transforms.errors import InputError
from transforms.rolling.inputs import find_spans, newest_complete
from transforms.rolling.roll import roll
from transforms.rolling.store import SpanStore


def test_a_newer_version_must_be_whole(tmp_path):
    config = dated_config(spans={"input": "*/{YYYY}-{MM}-{DD}/v{VERSION}/*"})
    write_parquet(tmp_path / "impressions/2026-01-01/v1/a.parquet", [impression(1)])
    write_parquet(tmp_path / "feedback/2026-01-01/v1/a.parquet", [feedback(1)])
    write_parquet(tmp_path / "feedback/2026-01-01/v2/a.parquet", [feedback(1)])
    with pytest.raises(InputError, match=r"2026-01-01 \(span 20454\) must be whole.*without impr"):
        find_spans(config, str(tmp_path))


def test_a_day_of_another_configuration_whose_logs_are_gone_is_refused(tmp_path):
    shown, events = random_days(seed=6)
    write_days(tmp_path / "logs", shown, events)
    roll(rolling(tmp_path, PLAIN), LAST)
    shutil.rmtree(tmp_path / "logs" / "impressions" / "2026-01-01")
    other = dated_config(with_history=False, spans={"window": DAYS}, clock_skew="1m")
    with pytest.raises(InputError, match=r"2026-01-01/v1: must be of this configuration"):
        roll(rolling(tmp_path, other), LAST)
    window = roll(rolling(tmp_path, dated_config(with_history=False, clock_skew="1m")), LAST)
    assert versions(window) == [(1, 2), (2, 2), (3, 2)]


def test_a_span_that_is_not_there_is_refused(tmp_path):
    write_days(tmp_path / "logs", *random_days(seed=9))
    with pytest.raises(InputError, match=r"must be in the logs. Received: 2026-01-09 .* there are"):
        roll(rolling(tmp_path, WHOLE), FIRST + 8)


def test_without_a_complete_day_one_must_be_named(tmp_path):
    write_days(tmp_path / "logs", *random_days(seed=9), range(1))
    spans = find_spans(WHOLE, str(tmp_path / "logs"))
    with pytest.raises(InputError, match=r"must be named by --span.*1 days later"):
        newest_complete(WHOLE, spans)


def test_logs_in_which_the_pattern_finds_nothing_are_refused(tmp_path):
    write_parquet(tmp_path / "logs" / "impressions.parquet", [impression(0)])
    with pytest.raises(InputError, match=r"must hold files like logs.spans.input, '\*/\{YYYY\}"):
        roll(rolling(tmp_path, WHOLE))


def test_an_ingestion_that_dies_leaves_the_days_before_it_and_no_half_day(tmp_path):
    shown, events = random_days(seed=9)
    write_days(tmp_path / "logs", shown, events)
    with pytest.raises(AssertionError, match="another span is ingested"):
        roll(rolling(tmp_path, PLAIN, Count(2)), LAST)
    store = rolling(tmp_path, PLAIN).store
    assert list(store.spans()) == [FIRST, FIRST + 1]
    assert [path.name for path in Path(store.folder).glob("*/*")] == ["v1", "v1"]
    assert versions(roll(rolling(tmp_path, PLAIN, Count(2)), LAST))[-1] == (3, 1)


def test_a_day_that_died_on_an_object_store_is_no_version(tmp_path):
    write_days(tmp_path / "logs", *random_days(seed=9))
    store = SpanStore((tmp_path / "store").as_uri())

    def engine_that_dies():
        raise RuntimeError("lost")

    dying = rolling(tmp_path, PLAIN)._replace(store=store, make_beam_pipeline=engine_that_dies)
    with pytest.raises(RuntimeError, match="lost"):
        roll(dying, LAST)
    assert (tmp_path / "store" / "2026-01-01" / "v1").is_dir()
    assert list(store.spans()) == []
    window = roll(dying._replace(make_beam_pipeline=Count()), LAST)
    assert versions(window) == [(day, 1) for day in range(DAYS)]


def test_two_processes_do_not_fill_a_store_together(tmp_path):
    write_days(tmp_path / "logs", *random_days(seed=9))
    inside = []

    def make():
        with pytest.raises(InputError, match="another run is using this store"):
            roll(rolling(tmp_path, PLAIN), FIRST)
        inside.append(True)
        return Count()()

    roll(rolling(tmp_path, PLAIN)._replace(make_beam_pipeline=make), FIRST)
    assert inside == [True]
