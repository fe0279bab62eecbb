"""Rolling ingestion: day after day gives what all logs at once give, and a day costs a day."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from history_inputs import CONFIG as HISTORY_CONFIG
from ingest_inputs import START, feedback, impression, make_config, write_csv, write_parquet
from ingest_runs import digest, ingest, make_wide_pipeline, read_examples
from rolling_inputs import (
    DAYS,
    FIRST,
    Count,
    dated_config,
    examples_of,
    random_days,
    rolling,
    versions,
    write_days,
)

from transforms.errors import DeadLetterRatioError, InputError
from transforms.ingest.counting.counts import check_balance
from transforms.ingest.dead_letters.letters import of_reasons, read_dead_letters, rows_by_reason
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.plan import IngestOutputs
from transforms.ingest.repairing.export import export_rows
from transforms.rolling.inputs import find_spans, newest_complete
from transforms.rolling.roll import make_recipe, roll
from transforms.rolling.store import SpanStore
from transforms.rolling.window import (
    assemble,
    describe_window,
    stored_window,
    window_counts,
    window_files,
)
from transforms.spans.days import DAY
from transforms.storage import is_file

WHOLE = dated_config(spans={"window": DAYS})
PLAIN = dated_config(with_history=False, spans={"window": DAYS})
LAST = FIRST + DAYS - 1


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


def test_every_row_of_dated_logs_is_accounted_for(tmp_path):
    shown, events = random_days(seed=7)
    lost = [feedback(n, request_id=f"lost{n}", timestamp=START + DAY // 2) for n in range(3)]
    write_days(tmp_path / "logs", shown, [*events, *lost])
    config = dated_config(with_history=False, spans={"window": DAYS}, clock_skew="0s")
    window = roll(rolling(tmp_path, config), LAST)
    for one in window:
        check_balance(one.counts())
    counts = window_counts(config, window)
    check_balance(counts)
    whole = ingest(tmp_path, dated_config(with_history=False, spans=None, clock_skew="0s"))
    assert counts.impressions == whole.impressions
    assert counts.feedback.attributed == whole.feedback.attributed
    assert counts.splits == whole.splits
    assert counts.missing == whole.missing
    assert counts.time == whole.time
    for task, splits in whole.tasks.items():
        for split, labels in splits.items():
            assert counts.tasks[task][split].model_dump() == pytest.approx(labels.model_dump())
    own = sum(len([e for e in events if e["timestamp"] // DAY == FIRST + d]) for d in range(DAYS))
    # What other days lent is read once more.
    lent = counts.feedback.read - own - len(lost)
    assert 0 < lent <= counts.feedback.other_spans + len(events) - own
    assert counts.feedback.other_spans > 0


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


def test_a_newer_version_must_be_whole(tmp_path):
    config = dated_config(spans={"input": "*/{YYYY}-{MM}-{DD}/v{VERSION}/*"})
    write_parquet(tmp_path / "impressions/2026-01-01/v1/a.parquet", [impression(1)])
    write_parquet(tmp_path / "feedback/2026-01-01/v1/a.parquet", [feedback(1)])
    write_parquet(tmp_path / "feedback/2026-01-01/v2/a.parquet", [feedback(1)])
    with pytest.raises(InputError, match=r"2026-01-01 \(span 20454\) must be whole.*without impr"):
        find_spans(config, str(tmp_path))


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


def test_a_day_that_died_on_an_object_store_is_no_version(tmp_path):
    write_days(tmp_path / "logs", *random_days(seed=9))
    store = SpanStore((tmp_path / "store").as_uri())

    def engine_that_dies():
        raise RuntimeError("lost")

    dying = rolling(tmp_path, PLAIN)._replace(store=store, make_beam_pipeline=engine_that_dies)
    with pytest.raises(RuntimeError, match="lost"):
        roll(dying, LAST)
    assert (tmp_path / "store" / "2026-01-01" / "v1").is_dir()
    assert store.spans() == []
    window = roll(dying._replace(make_beam_pipeline=Count()), LAST)
    assert versions(window) == [(day, 1) for day in range(DAYS)]


def test_logs_that_were_deleted_stay_in_the_window_and_reopen_nothing(tmp_path):
    shown, events = random_days(seed=6)
    write_days(tmp_path / "logs", shown, events)
    first = roll(rolling(tmp_path, PLAIN), LAST)
    for role in ("impressions", "feedback"):
        shutil.rmtree(tmp_path / "logs" / role / "2026-01-01")
        shutil.rmtree(tmp_path / "logs" / role / "2026-01-02")
    assert roll(rolling(tmp_path, PLAIN, Count(0)), LAST) == first


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


def test_where_logs_are_and_how_long_windows_are_change_no_span():
    recipe = make_recipe(WHOLE, "1")
    for logs in ({"path": "/elsewhere"}, {"spans": {"window": 9}}):
        assert make_recipe(dated_config(**logs), "1") == recipe
    assert make_recipe(dated_config(partitions=4), "1") != recipe
    assert make_recipe(WHOLE, "2") != recipe


def test_an_impression_of_another_day_is_a_dead_letter(tmp_path):
    rows = [impression(n) for n in range(20)]
    rows += [impression(30, timestamp=START - 1), impression(31, timestamp=START + DAY)]
    write_csv(tmp_path / "logs" / "impressions" / "2026-01-01" / "a.csv", rows)
    write_csv(tmp_path / "logs" / "feedback" / "2026-01-01" / "a.csv", [feedback(0)])
    config = make_config(spans={"window": 1})
    (one,) = roll(rolling(tmp_path, config), FIRST)
    letters = read_dead_letters(one.dead_letters).to_pylist()
    found = [(row["source"], row["row"], row["reason"]) for row in letters]
    source = "impressions/2026-01-01/a.csv"
    assert found == [(source, 22, "outside_span"), (source, 23, "outside_span")]
    assert "from 2026-01-01T00:00:00.000Z to before 2026-01-02" in letters[0]["detail"]
    counts = one.counts()
    assert (counts.impressions.examples, counts.impressions.dead) == (20, 2)


def test_feedback_without_impression_is_a_dead_letter_if_no_other_day_explains_it(tmp_path):
    click = {"kind": "classification", "group": "all", "label": {"event": "click", "window": "1h"}}
    config = make_config(spans={"window": 1}, tasks={"click": click}, clock_skew="5s")
    hour = 3_600_000
    times = [START + hour - 1, START + hour, START + DAY - 5001, START + DAY - 5000]
    events = [feedback(n, request_id=f"lost{n}", timestamp=t) for n, t in enumerate(times)]
    write_csv(tmp_path / "logs" / "impressions" / "2026-01-01" / "a.csv", [impression(0)])
    write_csv(tmp_path / "logs" / "feedback" / "2026-01-01" / "a.csv", [*events, feedback(0)])
    (one,) = roll(rolling(tmp_path, config), FIRST)
    letters = read_dead_letters(one.dead_letters)
    assert letters["row"].to_pylist() == [3, 4]
    assert one.counts().feedback.model_dump() == {
        **{"read": 5, "attributed": 1, "duplicates": 0, "outside_window": 0, "unused": 0},
        **{"other_spans": 2, "dead": 2},
    }


def test_feedback_in_two_days_folders_counts_once(tmp_path):
    """An overlap of two days: the second folder holds the last rows of the first once more."""
    midnight = START + DAY
    shown = [impression(0, timestamp=midnight - 1000)]
    click = feedback(0, timestamp=midnight - 500)
    logs = tmp_path / "logs"
    write_csv(logs / "impressions" / "2026-01-01" / "a.csv", shown)
    write_csv(logs / "feedback" / "2026-01-01" / "a.csv", [click])
    write_csv(logs / "impressions" / "2026-01-02" / "a.csv", [impression(1, timestamp=midnight)])
    write_csv(logs / "feedback" / "2026-01-02" / "a.csv", [click, click])
    config = make_config(spans={"window": 2}, clock_skew="0s")
    first, second = roll(rolling(tmp_path, config), FIRST + 1)
    counts = first.counts().feedback
    assert (counts.read, counts.attributed, counts.duplicates) == (3, 1, 2)
    counts = second.counts().feedback
    assert (counts.read, counts.duplicates, counts.other_spans) == (2, 1, 1)


def test_feedback_without_impression_is_a_dead_letter_though_the_day_before_has_the_row_too(
    tmp_path,
):
    """The day before, whose file comes first, lends its row for the clock skew."""
    noon, click = START + DAY + DAY // 2, {"label": {"event": "click", "window": "1h"}}
    click |= {"kind": "classification", "group": "all"}
    write_csv(
        tmp_path / "logs" / "impressions" / "2026-01-02" / "a.csv", [impression(0, timestamp=noon)]
    )
    for day in ("2026-01-01", "2026-01-02"):
        lost = feedback(7, request_id="lost", timestamp=noon)
        write_csv(tmp_path / "logs" / "feedback" / day / "a.csv", [lost])
    config = make_config(spans={"window": 1}, tasks={"click": click}, clock_skew="5s")
    (one,) = roll(rolling(tmp_path, config), FIRST + 1)
    letters = read_dead_letters(one.dead_letters)
    assert letters["source"].to_pylist() == ["feedback/2026-01-02/a.csv"]
    assert (one.counts().feedback.read, one.counts().feedback.dead) == (1, 1)


def test_by_time_the_last_days_of_the_window_are_the_eval_split(tmp_path):
    shown, events = random_days(seed=8)
    write_days(tmp_path / "logs", shown, events)
    split = {"by": "time", "eval_last": "1d"}
    config = dated_config(with_history=False, spans={"window": 3}, split=split)
    window = roll(rolling(tmp_path, config), LAST)
    outputs = IngestOutputs(*(str(tmp_path / name) for name in ("train", "eval", "report")))
    assemble(config, window, outputs)
    counts = window_counts(config, window)
    found = {}
    for name in ("train", "eval"):
        (tmp_path / "assembled" / "out").mkdir(parents=True, exist_ok=True)
        shutil.move(tmp_path / name, tmp_path / "assembled" / "out" / f"Split-{name}")
        rows = read_examples(tmp_path / "assembled", [name])
        found[name] = {row["timestamp"][0] // DAY - FIRST for row in rows}
        assert len(rows) == counts.splits[name]
    assert found == {"train": {1, 2}, "eval": {3}}
    assert counts.tasks["click"]["eval"].examples == counts.splits["eval"]
    assert [one["span"] for one in describe_window(window)] == [FIRST + 1, FIRST + 2, FIRST + 3]


def test_a_window_is_assembled_without_copying(tmp_path):
    shown, events = random_days(seed=8)
    write_days(tmp_path / "logs", shown, events)
    window = roll(rolling(tmp_path, WHOLE), FIRST + 1)
    outputs = IngestOutputs(*(str(tmp_path / name) for name in ("train", "eval", "report")))
    assemble(WHOLE, window, outputs)
    files = window_files(WHOLE, window)
    for split, folder in (("train", "train"), ("eval", "eval")):
        shards = sorted((tmp_path / folder).iterdir())
        assert len(shards) == 2 * 3
        assert {p.stat().st_ino for p in shards} == {p.stat().st_ino for p in files[split]}
        assert shards[0].name == f"data_tfrecord-2026-01-01-v1-Split-{split}-00000-of-00003.gz"
    report = tmp_path / "report"
    assert (report / "history.parquet").read_bytes() == Path(window[-1].history).read_bytes()
    letters = sum(one.counts().impressions.dead + one.counts().feedback.dead for one in window)
    assert read_dead_letters(str(report)).num_rows == letters


def test_a_day_with_too_many_dead_letters_is_no_version_and_can_be_looked_at(tmp_path):
    config = dated_config(with_history=False, dead_letters={"max_ratio": 0.0}, spans={"window": 4})
    shown, events = random_days(seed=9)
    write_days(tmp_path / "logs", shown, [e for e in events if e["timestamp"] >= START])
    bad = tmp_path / "logs" / "impressions" / "2026-01-02" / "bad.parquet"
    write_parquet(bad, [impression(999, age="old", timestamp=START + DAY)])
    with pytest.raises(DeadLetterRatioError, match=r"store/2026-01-02/v1/dead_letters"):
        roll(rolling(tmp_path, config), LAST)
    store = rolling(tmp_path, config).store
    assert store.spans() == [FIRST]
    letters = read_dead_letters(f"{store.folder_of(FIRST + 1, 1)}/dead_letters")
    counted = [reason for reason in rows_by_reason(letters) if reason.counted]
    assert counted == [Reason.WRONG_TYPE]
    bad.unlink()
    assert versions(roll(rolling(tmp_path, config), LAST)) == [(day, 1) for day in range(DAYS)]


def test_repaired_rows_reopen_their_day(tmp_path):
    shown, events = random_days(seed=9)
    write_days(tmp_path / "logs", shown, events)
    bad = tmp_path / "logs" / "impressions" / "2026-01-02" / "bad.csv"
    write_csv(bad, [impression(999, user_id=None, timestamp=START + DAY, country="de")])
    window = roll(rolling(tmp_path, PLAIN), LAST)
    letters = of_reasons(read_dead_letters(window[1].dead_letters), [Reason.MISSING_KEY])
    exported = export_rows(letters, str(tmp_path / "logs"), tmp_path / "repaired")
    (name,) = exported.files
    path = tmp_path / "repaired" / name
    path.write_text(path.read_text().replace('"r999",,', '"r999","u999",'))
    shutil.copytree(tmp_path / "repaired", tmp_path / "logs", dirs_exist_ok=True)
    again = roll(rolling(tmp_path, PLAIN), LAST)
    assert versions(again) == [(0, 1), (1, 2), (2, 1), (3, 1)]
    assert set(examples_of(PLAIN, again)) - set(examples_of(PLAIN, window)) == {"r999"}
    assert again[1].counts().impressions.examples == window[1].counts().impressions.examples + 1


def test_an_ingestion_that_dies_leaves_the_days_before_it_and_no_half_day(tmp_path):
    shown, events = random_days(seed=9)
    write_days(tmp_path / "logs", shown, events)
    with pytest.raises(AssertionError, match="another span is ingested"):
        roll(rolling(tmp_path, PLAIN, Count(2)), LAST)
    store = rolling(tmp_path, PLAIN).store
    assert store.spans() == [FIRST, FIRST + 1]
    assert [path.name for path in Path(store.folder).glob("*/*")] == ["v1", "v1"]
    assert versions(roll(rolling(tmp_path, PLAIN, Count(2)), LAST))[-1] == (3, 1)


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


def test_all_dated_logs_at_once_are_those_of_the_newest_versions(tmp_path):
    """As bulk scoring reads them."""
    config = make_config(spans={"input": "*/{YYYY}-{MM}-{DD}/v{VERSION}/*"})
    for version, country in ((1, "fr"), (2, "de")):
        rows = [impression(n, country=country) for n in range(20)]
        home = tmp_path / "logs" / "impressions" / "2026-01-01" / f"v{version}"
        write_parquet(home / "a.parquet", rows)
        home = tmp_path / "logs" / "feedback" / "2026-01-01" / f"v{version}"
        write_parquet(home / "a.parquet", [feedback(0)])
    counts = ingest(tmp_path, config)
    assert counts.impressions.duplicates == 0
    assert np.all([row["country"] == [b"de"] for row in read_examples(tmp_path)])
