"""What becomes of rows of dated logs: those of another day, those that two days have."""

import shutil

import pytest
from ingest_inputs import START, feedback, impression, make_config, write_csv, write_parquet
from ingest_runs import ingest
from rolling_inputs import (
    DAYS,
    FIRST,
    LAST,
    PLAIN,
    dated_config,
    examples_of,
    random_days,
    rolling,
    versions,
    write_days,
)

from transforms.errors import DeadLetterRatioError
from transforms.ingest.counting.counts import check_balance
from transforms.ingest.dead_letters.letters import of_reasons, read_dead_letters, rows_by_reason
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.repairing.export import export_rows
from transforms.rolling.roll import roll
from transforms.rolling.window import window_counts
from transforms.section import format_time
from transforms.spans.days import DAY


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
    assert whole.last_feedback == format_time(max(e["timestamp"] for e in events))
    assert counts.last_feedback == max(one.counts().last_feedback for one in window)
    for task, splits in whole.tasks.items():
        for split, labels in splits.items():
            assert counts.tasks[task][split].model_dump() == pytest.approx(labels.model_dump())
    own = sum(len([e for e in events if e["timestamp"] // DAY == FIRST + d]) for d in range(DAYS))
    # What other days lent is read once more.
    lent = counts.feedback.read - own - len(lost)
    assert 0 < lent <= counts.feedback.other_spans + len(events) - own
    assert counts.feedback.other_spans > 0


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


def test_a_day_with_too_many_dead_letters_is_no_version_and_can_be_looked_at(tmp_path):
    config = dated_config(with_history=False, dead_letters={"max_ratio": 0.0}, spans={"window": 4})
    shown, events = random_days(seed=9)
    write_days(tmp_path / "logs", shown, [e for e in events if e["timestamp"] >= START])
    bad = tmp_path / "logs" / "impressions" / "2026-01-02" / "bad.parquet"
    write_parquet(bad, [impression(999, age="old", timestamp=START + DAY)])
    with pytest.raises(DeadLetterRatioError, match=r"store/2026-01-02/v1/dead_letters"):
        roll(rolling(tmp_path, config), LAST)
    store = rolling(tmp_path, config).store
    assert list(store.spans()) == [FIRST]
    folders = [store.folder_of(span, 1) for span in (FIRST, FIRST + 1)]
    assert store.dead_letters() == [f"{folder}/dead_letters" for folder in folders]
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
