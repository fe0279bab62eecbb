"""Rolling ingestion: day after day gives what all logs at once give, and a day costs a day."""

import shutil
from pathlib import Path

import pytest
from history_inputs import CONFIG as HISTORY_CONFIG
from ingest_inputs import START, impression, write_parquet
from ingest_runs import digest, ingest, make_wide_pipeline, read_examples
from rolling_inputs import (
    DAYS,
    FIRST,
    LAST,
    PLAIN,
    WHOLE,
    Count,
    dated_config,
    examples_of,
    random_days,
    rolling,
    versions,
    write_days,
)

from transforms.rolling.roll import make_recipe, roll
from transforms.rolling.store import SpanStore
from transforms.rolling.window import stored_window
from transforms.spans.days import DAY
from transforms.storage import is_file


def assert_same_examples(found, expected):
    """Equal but for the last digits of sums that were added up in another order."""
    assert found.keys() == expected.keys()
    for request, row in expected.items():
        assert found[request].keys() == row.keys(), request
        for name, values in row.items():
            if isinstance(values[0], float):
                assert found[request][name] == pytest.approx(values, rel=1e-5, abs=1e-6), name
            else:
                assert found[request][name] == values, (request, name)


@pytest.mark.parametrize("seed", range(2))
def test_day_after_day_gives_the_examples_of_all_logs_at_once(tmp_path, seed):
    """Labels with late feedback, and histories with labels that are known only the day after."""
    shown, events = random_days(seed)
    write_days(tmp_path / "logs", shown, events)
    ingest(tmp_path, dated_config(spans=None))
    expected = {row["request_id"][0].decode(): row for row in read_examples(tmp_path)}
    assert len(expected) == len(shown)
    count = Count()
    window = roll(rolling(tmp_path, WHOLE, count), LAST)
    assert versions(window) == [(day, 1) for day in range(DAYS)]
    assert count.made == DAYS
    assert_same_examples(examples_of(WHOLE, window), expected)
    assert sum(e["label_click"][0] for e in expected.values()) > 20
    assert HISTORY_CONFIG.history_features.keys() == WHOLE.history_features.keys()


def test_what_is_up_to_date_is_not_ingested_again(tmp_path):
    shown, events = random_days(seed=1)
    write_days(tmp_path / "logs", shown, events)
    first = roll(rolling(tmp_path, PLAIN), LAST)
    before = digest(tmp_path / "store")
    assert roll(rolling(tmp_path, PLAIN, Count(0)), LAST) == first
    assert digest(tmp_path / "store") == before


def test_a_new_day_costs_a_day_and_the_window_moves_on(tmp_path):
    shown, events = random_days(seed=2)
    config = dated_config(with_history=False, spans={"window": 2})
    write_days(tmp_path / "logs", shown, events, range(4))
    window = roll(rolling(tmp_path, config), None)
    assert versions(window) == [(1, 1), (2, 1)], "of the last day feedback is still to come"
    write_days(tmp_path / "logs", shown, events, [4])
    count = Count()
    assert versions(roll(rolling(tmp_path, config, count))) == [(2, 1), (3, 1)]
    assert count.made == 1


def test_without_histories_only_the_window_is_ingested(tmp_path):
    shown, events = random_days(seed=2)
    write_days(tmp_path / "logs", shown, events)
    config = dated_config(with_history=False, spans={"window": 2})
    count = Count()
    window = roll(rolling(tmp_path, config, count), LAST)
    assert versions(window) == [(2, 1), (3, 1)]
    assert count.made == 2
    assert not is_file(window[0].history)


def test_feedback_that_comes_the_day_after_reopens_a_day(tmp_path):
    shown, events = random_days(seed=3)
    write_days(tmp_path / "logs", shown, events, range(2))
    config = dated_config(with_history=False, spans={"window": 1})
    (early,) = roll(rolling(tmp_path, config), FIRST + 1)
    write_days(tmp_path / "logs", shown, events, [2])
    (late,) = roll(rolling(tmp_path, config), FIRST + 1)
    assert versions([early, late]) == [(1, 1), (1, 2)]
    assert early.counts().feedback.attributed < late.counts().feedback.attributed
    assert versions(stored_window(config, rolling(tmp_path, config).store)) == [(1, 2)]


def test_late_data_reopens_a_day_by_its_version_and_what_depends_on_it(tmp_path):
    """The day before borrows its feedback, and the histories of the day after go on from it."""
    spans = {"input": "*/{YYYY}-{MM}-{DD}/v{VERSION}/*", "window": 2}
    config = dated_config(spans=spans)
    shown, events = random_days(seed=4)
    write_days(tmp_path / "plain", shown, events)
    for day in sorted((tmp_path / "plain").glob("*/*")):
        shutil.copytree(day, tmp_path / "logs" / day.relative_to(tmp_path / "plain") / "v1")
    store = rolling(tmp_path, config).store
    roll(rolling(tmp_path, config), FIRST + 2)
    late = [impression(900, 1, user_id="u1", country="de", timestamp=START + DAY + 5000)]
    for role in ("impressions", "feedback"):
        old = tmp_path / "logs" / role / "2026-01-02" / "v1"
        shutil.copytree(old, old.parent / "v2")
    home = tmp_path / "logs" / "impressions" / "2026-01-02" / "v2"
    write_parquet(home / "late.parquet", late)
    window = roll(rolling(tmp_path, config), FIRST + 2)
    assert versions(window) == [(1, 2), (2, 2)]
    assert [store.newest(FIRST + day).record.version for day in range(3)] == [2, 2, 2]
    assert [one.record.input_version for one in window] == [2, 1]
    assert "r900" in examples_of(config, window)
    assert Path(store.folder_of(FIRST + 1, 1)).is_dir(), "a version stays as it was"


def test_the_same_logs_give_the_same_bytes_in_another_store(tmp_path):
    shown, events = random_days(seed=5)
    write_days(tmp_path / "logs", shown, events)
    roll(rolling(tmp_path, WHOLE), LAST)
    shutil.move(tmp_path / "store", tmp_path / "other")
    # One day after the other, as a schedule would.
    for day in range(DAYS):
        roll(rolling(tmp_path, WHOLE), FIRST + day)
    assert digest(tmp_path / "store") == digest(tmp_path / "other")


def test_a_store_that_is_named_by_a_uri_is_the_same_on_every_engine(tmp_path):
    shown, events = random_days(seed=5)
    write_days(tmp_path / "logs", shown, events)
    roll(rolling(tmp_path, WHOLE), LAST)
    elsewhere = rolling(tmp_path, WHOLE)._replace(
        logs=(tmp_path / "logs").as_uri(),
        store=SpanStore((tmp_path / "other").as_uri() + "/"),
        make_beam_pipeline=make_wide_pipeline,
    )
    window = roll(elsewhere, LAST)
    (tmp_path / "store" / ".lock").unlink()
    assert digest(tmp_path / "other") == digest(tmp_path / "store")
    assert roll(elsewhere._replace(make_beam_pipeline=Count(0)), LAST) == window
    assert window[0].folder == f"{(tmp_path / 'other').as_uri()}/2026-01-01/v1"


def test_logs_that_were_deleted_stay_in_the_window_and_reopen_nothing(tmp_path):
    shown, events = random_days(seed=6)
    write_days(tmp_path / "logs", shown, events)
    first = roll(rolling(tmp_path, PLAIN), LAST)
    for role in ("impressions", "feedback"):
        shutil.rmtree(tmp_path / "logs" / role / "2026-01-01")
        shutil.rmtree(tmp_path / "logs" / role / "2026-01-02")
    assert roll(rolling(tmp_path, PLAIN, Count(0)), LAST) == first


def test_where_logs_are_and_how_long_windows_are_change_no_span():
    recipe = make_recipe(WHOLE, "1")
    for logs in ({"path": "/elsewhere"}, {"spans": {"window": 9}}):
        assert make_recipe(dated_config(**logs), "1") == recipe
    assert make_recipe(dated_config(partitions=4), "1") != recipe
    assert make_recipe(WHOLE, "2") != recipe
