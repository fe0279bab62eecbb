"""The log files that the simulator writes."""

import gzip
import hashlib
import io
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from transforms.errors import DiskFullError, InputError
from transforms.simulator.responses import RESPONSES
from transforms.simulator.simulate import simulate
from transforms.simulator.truth import read_truth

IMPRESSIONS = 20_000
KEY = ["request_id", "item_id"]


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulator") / "logs"
    simulate(folder, IMPRESSIONS, seed=3)
    return folder


@pytest.fixture(scope="module")
def csv_logs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulator") / "csv"
    simulate(folder, IMPRESSIONS, seed=3, file_format="csv")
    return folder


def read(logs: Path, table: str) -> pd.DataFrame:
    files = sorted((logs / table).glob("*/*"))
    readers = {".parquet": pd.read_parquet, ".gz": pd.read_csv}
    return pd.concat([readers[file.suffix](file) for file in files], ignore_index=True)


def delays(logs: Path) -> pd.DataFrame:
    """Feedback rows with `delay`, NaT where the impression is not in the logs."""
    impressions = read(logs, "impressions").drop_duplicates(KEY)[[*KEY, "timestamp"]]
    feedback = read(logs, "feedback").drop_duplicates()
    joined = feedback.merge(impressions, on=KEY, how="left", suffixes=("", "_shown"))
    return joined.assign(delay=joined.timestamp - joined.timestamp_shown)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_the_same_seed_gives_the_same_bytes(tmp_path, file_format):
    for name, seed in {"a": 5, "b": 5, "c": 6}.items():
        simulate(tmp_path / name, 3000, seed, file_format)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    different = digests(tmp_path / "c")
    assert all(different[name] != digest for name, digest in digests(tmp_path / "a").items())


def test_impressions_are_distinct_but_for_the_stated_duplicates(logs):
    impressions, counts = read(logs, "impressions"), read_truth(logs).counts
    assert len(impressions.drop_duplicates(KEY)) == counts.impressions == IMPRESSIONS
    assert len(impressions) == IMPRESSIONS + counts.duplicate_impressions
    assert counts.duplicate_impressions == pytest.approx(0.01 * IMPRESSIONS, rel=0.3)
    assert impressions.astype({"tags": str}).duplicated().sum() == counts.duplicate_impressions


def test_feedback_counts_are_those_of_the_truth(logs):
    feedback, counts = read(logs, "feedback"), read_truth(logs).counts
    odd = counts.duplicate_feedback + counts.orphan_feedback
    assert len(feedback) == counts.feedback + odd
    assert feedback.duplicated().sum() == counts.duplicate_feedback
    assert counts.duplicate_feedback == pytest.approx(0.01 * counts.feedback, rel=0.3)
    assert delays(logs).delay.isna().sum() == counts.orphan_feedback > 0
    assert 0 < counts.lost_feedback < 0.1 * counts.feedback


@pytest.mark.parametrize("event", RESPONSES)
def test_delays_and_late_shares_are_those_of_the_event(logs, event):
    rows, response = delays(logs).dropna(subset="delay"), RESPONSES[event]
    delay = rows[rows.event == event].sort_values("timestamp").drop_duplicates(KEY).delay
    assert delay.min() >= pd.Timedelta(0)
    late = (delay > response.window).mean()
    assert late == pytest.approx(response.late, abs=4 * (response.late / len(delay)) ** 0.5)
    assert delay.median() > 0.3 * response.mean_delay


def test_some_feedback_is_late_and_counted(logs):
    rows = delays(logs)
    window = rows.event.map({event: r.window for event, r in RESPONSES.items()})
    late = rows[rows.delay > window].drop_duplicates([*KEY, "event"])
    assert len(late) == read_truth(logs).counts.late_feedback > 0


def test_a_watch_may_come_in_two_parts_and_a_rating_may_be_taken_back(logs):
    rows = read(logs, "feedback").drop_duplicates().groupby([*KEY, "event"]).size()
    per_event = rows.groupby("event").agg(["mean", "max"])
    assert per_event.loc["watch_seconds", "max"] == per_event.loc["survey", "max"] == 2
    assert per_event.loc["watch_seconds", "mean"] == pytest.approx(1.2, abs=0.03)
    assert per_event.loc["click", "max"] == 1


@pytest.mark.parametrize("table", ["impressions", "feedback"])
def test_rows_are_in_the_folder_of_their_day_and_in_order(logs, table):
    for folder in sorted((logs / table).iterdir()):
        stamps = pd.concat([pd.read_parquet(f).timestamp for f in sorted(folder.iterdir())])
        assert set(stamps.dt.strftime("%Y-%m-%d")) == {folder.name}
        assert stamps.is_monotonic_increasing


def test_feedback_may_come_after_the_last_day_of_impressions(logs):
    last_shown = max(folder.name for folder in (logs / "impressions").iterdir())
    assert last_shown == "2026-01-11"
    assert max(folder.name for folder in (logs / "feedback").iterdir()) > last_shown


def test_engagement_falls_with_position(logs):
    impressions = read(logs, "impressions").drop_duplicates(KEY)
    clicks = read(logs, "feedback").query("event == 'click'").drop_duplicates(KEY)[KEY]
    shown = impressions.merge(clicks.assign(click=1), on=KEY, how="left").fillna({"click": 0})
    rate = shown.groupby("position").click.mean()
    assert list(rate.index) == list(range(1, 11))
    assert rate[1] > 1.4 * rate[10]


def test_numbers_are_skewed_and_sometimes_missing(logs):
    impressions = read(logs, "impressions")
    for column in ("daily_minutes", "duration_seconds", "creator_followers", "account_days"):
        assert impressions[column].mean() > 1.2 * impressions[column].median()
    assert impressions.curiosity.isna().mean() == pytest.approx(0.1, abs=0.04)
    assert impressions.quality.isna().mean() == pytest.approx(0.05, abs=0.03)
    assert impressions.tags.map(len).value_counts().index.isin([0, 1, 2, 3]).all()


@pytest.mark.parametrize("table", ["impressions", "feedback"])
def test_csv_holds_what_parquet_holds(logs, csv_logs, table):
    expected, actual = read(logs, table), read(csv_logs, table)
    actual["timestamp"] = pd.to_datetime(actual.timestamp, format="ISO8601").dt.as_unit("ms")
    if table == "impressions":
        actual["tags"] = actual.tags.fillna("")
        expected["tags"] = expected.tags.map("|".join)
    pd.testing.assert_frame_equal(actual, expected, check_dtype=False, check_exact=True)
    assert read_truth(logs) == read_truth(csv_logs)


def test_parts_of_a_day_follow_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.simulator.plan.PART_ROWS", 1000)
    written = []
    truth = simulate(tmp_path / "logs", 5001, seed=1, days=2, progress=written.append)
    assert written == [1000, 2000, 2501, 3501, 4501, 5001]
    impressions = read(tmp_path / "logs", "impressions")
    assert impressions.timestamp.is_monotonic_increasing
    assert len(impressions.drop_duplicates(KEY)) == truth.impressions == 5001
    assert impressions.groupby("request_id").timestamp.nunique().max() == 1
    parts = sorted(p.name for p in (tmp_path / "logs/impressions/2026-01-05").iterdir())
    assert parts == [f"part-0000{i}.parquet" for i in range(3)]


@pytest.mark.parametrize("table", ["impressions", "feedback"])
def test_broken_lines_come_on_top_of_the_rows(tmp_path, csv_logs, table):
    simulate(tmp_path / "logs", IMPRESSIONS, seed=3, file_format="csv", broken=0.02)
    broken = 0
    for path in sorted((tmp_path / "logs" / table).glob("*/*")):
        lines = gzip.decompress(path.read_bytes()).splitlines()
        unbroken = csv_logs / path.relative_to(tmp_path / "logs")
        rows = gzip.decompress(unbroken.read_bytes()).splitlines()
        known = set(rows)
        assert [line for line in lines if line in known] == rows
        broken += len(lines) - len(rows)
    counts = read_truth(tmp_path / "logs").counts.model_dump()
    assert broken == counts[f"broken_{table}"] > 100


def test_one_impression_is_enough_for_logs(tmp_path):
    truth = simulate(tmp_path / "logs", 1, seed=0, days=3)
    assert len(read(tmp_path / "logs", "impressions").drop_duplicates(KEY)) == 1
    assert truth.tasks["click"].best_auc is None
    assert read_truth(tmp_path / "logs") == truth


def test_days_start_at_the_first_day(tmp_path):
    simulate(tmp_path / "logs", 300, seed=0, days=3, first_day=date(2024, 2, 28))
    days = sorted(folder.name for folder in (tmp_path / "logs/impressions").iterdir())
    assert days == ["2024-02-28", "2024-02-29", "2024-03-01"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"impressions": 0}, r"`impressions` must be in \[1, 1000000000\]. Received: 0"),
        ({"impressions": 10**10}, "`impressions` must be in"),
        ({"seed": -1}, "`seed` must be in .* Received: -1"),
        ({"days": 0}, "`days` must be in .* Received: 0"),
        ({"file_format": "xml"}, "`file_format` must be one of .* Received: 'xml'"),
        ({"broken": 0.1}, "`broken` must be 0 for Parquet. Received: 0.1"),
        ({"broken": 1.5, "file_format": "csv"}, r"`broken` must be in \[0, 1\]"),
        ({"drift": -0.1}, r"`drift` must be in \[0, 1\]"),
        ({"first_day": date(9999, 12, 31)}, "`first_day` must be in .* '9999-12-31'"),
    ],
)
def test_an_argument_out_of_range_is_refused_and_nothing_is_written(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        simulate(tmp_path / "logs", **{"impressions": 100, "seed": 1, **arguments})
    assert not (tmp_path / "logs").exists()


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match=r"must be a new or empty folder.*precious\.txt"):
        simulate(tmp_path, 100, seed=1)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        simulate(tmp_path / "logs", 100, seed=1)


def test_what_an_interrupted_run_left_is_replaced(tmp_path):
    leftover = tmp_path / "logs/.partial/impressions"
    leftover.mkdir(parents=True)
    (leftover / "half.parquet").write_bytes(b"half")
    moved = tmp_path / "logs" / "feedback"
    moved.mkdir()
    (moved / "half.parquet").write_bytes(b"half")
    simulate(tmp_path / "logs", 100, seed=1)
    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names == ["feedback", "impressions", "truth.json"]
    assert not list((tmp_path / "logs").rglob("half.parquet"))


def test_a_full_disk_is_one_clear_message_and_leaves_no_half_logs(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transforms.simulator.files.pq.write_table", fail)
    with pytest.raises(DiskFullError, match="logs: cannot be written: No space left on device"):
        simulate(tmp_path / "logs", 100, seed=1)
    assert list((tmp_path / "logs").iterdir()) == []


def test_csv_files_carry_no_time_of_writing(csv_logs):
    for path in csv_logs.rglob("*.gz"):
        assert path.read_bytes()[4:8] == bytes(4)


def test_timestamps_in_csv_are_iso_8601(csv_logs):
    path = sorted((csv_logs / "feedback").glob("*/*"))[0]
    table = pd.read_csv(io.BytesIO(gzip.decompress(path.read_bytes())))
    assert table.timestamp.str.fullmatch(r"2026-01-05T\d\d:\d\d:\d\d\.\d{3}Z").all()


def test_new_users_and_items_come_each_day_and_no_id_comes_again(tmp_path):
    simulate(tmp_path / "logs", IMPRESSIONS, seed=3, days=4, churn=0.2)
    rows = read(tmp_path / "logs", "impressions")
    day = rows.timestamp.dt.date
    for column in ("user_id", "item_id"):
        ids = [set(group) for _, group in rows.groupby(day)[column]]
        first, last = ids[0], ids[-1]
        assert last - set().union(*ids[:-1]), "some are new on the last day"
        assert first - last, "some have left"
        assert len(first & last) > 0.2 * len(first), "many have stayed"
    assert (rows.groupby("item_id").quality.nunique() <= 1).all(), "an id has its columns for ever"
    assert read_truth(tmp_path / "logs").churn == 0.2
