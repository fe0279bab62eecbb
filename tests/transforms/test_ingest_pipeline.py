"""The whole of ingestion by Beam: files in, examples, dead letters and counts out."""

import json
import logging
import shutil
from pathlib import Path

import pytest
from ingest_inputs import (
    CLICK,
    START,
    feedback,
    impression,
    impressions,
    make_config,
    write_csv,
    write_parquet,
)
from ingest_runs import digest, ingest, make_wide_pipeline, read_dead_letters, read_examples

from transforms.engine import make_pipeline
from transforms.errors import DeadLetterRatioError, InputError
from transforms.ingest import pipeline
from transforms.ingest.counting.checks import check_counts
from transforms.ingest.counting.counts import check_balance, read_counts
from transforms.ingest.dead_letters.files import DEAD_LETTER_SCHEMA
from transforms.ingest.pipeline import run_ingest
from transforms.ingest.plan import IngestOutputs


def outcome(counts, kind):
    return {name: count for name, count in getattr(counts, kind) if count}


def test_parquet_and_csv_in_dated_folders_become_examples(tmp_path):
    logs = tmp_path / "logs"
    write_parquet(logs / "impressions" / "2026-01-01" / "part-0.parquet", impressions(50))
    write_csv(logs / "2026-01-02" / "impressions.csv.gz", [impression(n) for n in range(50, 80)])
    write_csv(logs / "2026-01-02" / "feedback.csv", [feedback(n) for n in range(0, 80, 2)])
    (logs / "impressions" / "_SUCCESS").touch()
    (logs / "notes.txt").write_text("no log")
    counts = ingest(tmp_path, make_config(partitions=3))
    examples = read_examples(tmp_path)
    assert len(examples) == 80
    first = next(row for row in examples if row["request_id"] == [b"r0"])
    assert first == {
        "request_id": [b"r0"],
        "user_id": [b"u0"],
        "item_id": [b"i0"],
        "timestamp": [START],
        "age": [30.5],
        "country": [b"de"],
        "tags": [b"a", b"b"],
        "label_click": [1.0],
        "weight_click": [1.0],
    }
    assert sum(row["label_click"][0] for row in examples) == 40
    assert outcome(counts, "impressions") == {"read": 80, "examples": 80}
    assert outcome(counts, "feedback") == {"read": 40, "attributed": 40}
    assert counts.sources == {
        "2026-01-02/feedback.csv": 40,
        "2026-01-02/impressions.csv.gz": 30,
        "impressions/2026-01-01/part-0.parquet": 50,
    }
    assert counts.events == {"click": 40}
    assert counts.time.first == "2026-01-01T00:00:00.000Z"
    assert counts.tasks["click"]["train"].examples == counts.splits["train"]
    names = sorted(path.name for path in (tmp_path / "out" / "Split-train").iterdir())
    assert names == [f"data_tfrecord-0000{shard}-of-00003.gz" for shard in range(3)]


def test_plain_files_hold_the_examples_of_gzipped_ones(tmp_path):
    ingest(tmp_path, make_config(), impressions(20))
    examples = read_examples(tmp_path)
    ingest(tmp_path, make_config(gzip_level=0))
    assert read_examples(tmp_path) == examples
    shards = sorted(path.name for path in (tmp_path / "out" / "Split-eval").iterdir())
    assert shards == ["data_tfrecord-00000-of-00002", "data_tfrecord-00001-of-00002"]


def write_messy_logs(logs: Path) -> None:
    """Broken rows of many kinds between good ones, in three files."""
    shown = [*impressions(40), impression(1), impression(2, user_id="other")]
    shown += [impression(41, age=float("inf")), impression(42, age=float("nan"))]
    shown += [impression(43, user_id=None), impression(44, country="x" * 1001)]
    write_parquet(logs / "impressions" / "a.parquet", shown, row_group_size=7)
    more = b'"r50,u\n\nr51,u,i\nr52,u,i,1767225652000,old,de,\xff\nr53,u,i,1767225653000,old,de,a\n'
    write_csv(logs / "impressions" / "b.csv", impressions(10), more)
    events = [feedback(n) for n in range(0, 40, 3)]
    events += [feedback(0), feedback(99), feedback(4, timestamp=START), feedback(5, event="hide")]
    events += [feedback(7, timestamp=START + 10**10), feedback(8, timestamp=None)]
    write_parquet(logs / "feedback" / "c.parquet", events)


def test_every_row_is_an_example_a_duplicate_or_a_dead_letter_with_its_reason(tmp_path):
    write_messy_logs(tmp_path / "logs")
    config = make_config(clock_skew="1s")
    counts = ingest(tmp_path, config)
    check_balance(counts)
    assert outcome(counts, "impressions") == {
        "read": 60,
        "examples": 41,
        "duplicates": 11,
        "dead": 8,
    }
    assert outcome(counts, "feedback") == {
        **{"read": 20, "attributed": 14, "duplicates": 1, "outside_window": 1, "unused": 1},
        "dead": 3,
    }
    letters = read_dead_letters(tmp_path)
    assert [(row["source"], row["row"], row["reason"]) for row in letters] == [
        ("feedback/c.parquet", 16, "feedback_without_impression"),
        ("feedback/c.parquet", 17, "feedback_before_impression"),
        ("feedback/c.parquet", 20, "missing_key"),
        ("impressions/a.parquet", 42, "conflicting_impression"),
        ("impressions/a.parquet", 43, "infinite_value"),
        ("impressions/a.parquet", 45, "missing_key"),
        ("impressions/a.parquet", 46, "value_too_long"),
        ("impressions/b.csv", 12, "broken_quoting"),
        ("impressions/b.csv", 14, "too_few_values"),
        ("impressions/b.csv", 15, "wrong_encoding"),
        ("impressions/b.csv", 16, "wrong_type"),
    ]
    assert letters[-1]["text"] == "r53,u,i,1767225653000,old,de,a"
    assert letters[-1]["detail"] == "`age` must be a number. Received: 'old'"
    assert json.loads(letters[5]["text"])["request_id"] == "r43"
    assert {len(row) for row in letters} == {len(DEAD_LETTER_SCHEMA)}
    assert sum(counts.dead_letters.values()) == len(letters)
    assert counts.missing == {"age": 1, "country": 0, "tags": 0}
    assert read_counts(str(tmp_path / "out" / "dead_letters")) == counts


def test_the_same_logs_give_the_same_bytes_whatever_the_number_of_workers(tmp_path):
    write_messy_logs(tmp_path / "logs")
    split = {"by": "time", "eval_fraction": 0.3}
    config, logs = make_config(split=split), str(tmp_path / "logs")

    run_ingest(config, logs, str(tmp_path / "one"))
    run_ingest(config, logs, str(tmp_path / "three"), make_wide_pipeline)
    assert digest(tmp_path / "one") == digest(tmp_path / "three")
    assert len(digest(tmp_path / "one")) == 2 * 3 + 1


def test_rows_that_wait_in_files_and_rows_that_the_engine_carries_give_the_same_bytes(
    tmp_path, monkeypatch
):
    write_messy_logs(tmp_path / "logs")
    config, logs = make_config(), str(tmp_path / "logs")
    waited = []
    remove = shutil.rmtree
    monkeypatch.setattr(
        pipeline.shutil,
        "rmtree",
        lambda folder, **options: (
            waited.extend(Path(folder).glob("*.arrow")),
            remove(folder, **options),
        ),
    )
    run_ingest(config, logs, str(tmp_path / "files"))
    assert waited
    monkeypatch.setattr(pipeline, "is_in_process", lambda _: False)
    waited.clear()
    run_ingest(config, logs, str(tmp_path / "bytes"))
    assert not waited
    assert digest(tmp_path / "files") == digest(tmp_path / "bytes")


def test_rows_do_not_wait_any_longer_when_the_pipeline_has_failed(tmp_path):
    outputs = IngestOutputs("train", "eval", str(tmp_path))
    with pytest.raises(KeyError), pipeline.running(make_pipeline(), outputs) as folder:
        Path(folder).mkdir()
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_by_time_the_latest_impressions_are_the_eval_split(tmp_path):
    config = make_config(split={"by": "time", "eval_fraction": 0.2})
    counts = ingest(tmp_path, config, impressions(50), [feedback(0)])
    assert counts.splits == {"train": 40, "eval": 10}
    late = {row["timestamp"][0] for row in read_examples(tmp_path, ["eval"])}
    assert late == {START + 1000 * n for n in range(40, 50)}


def test_a_feature_that_is_also_a_key_is_in_the_example_once_and_positions_are_kept(tmp_path):
    features = {
        "user_id": {"of": "user", "kind": "categorical"},
        "years": {"of": "user", "kind": "numeric", "column": "age"},
        "generation": {"of": "user", "kind": "categorical", "column": "age"},
    }
    shown = [impression(n, position=n % 3) for n in range(9)]
    ingest(tmp_path, make_config(features=features), shown)
    example = next(row for row in read_examples(tmp_path) if row["user_id"] == [b"u4"])
    assert example["position"] == [1]
    assert (example["years"], example["generation"]) == ([30.5], [b"30.5"])


def test_more_dead_letters_than_allowed_stop_the_run_and_can_be_looked_at(tmp_path):
    config = make_config(dead_letters={"max_ratio": 0.05})
    shown = [*impressions(9), impression(9, age=float("inf"))]
    with pytest.raises(DeadLetterRatioError, match=r"0\.09091, 1 of 11 rows: infinite_value 1"):
        ingest(tmp_path, config, shown)
    assert [row["reason"] for row in read_dead_letters(tmp_path)] == ["infinite_value"]
    assert not (tmp_path / "out" / "Split-train").exists()


def test_feedback_without_impression_does_not_count_towards_the_ratio(tmp_path):
    config = make_config(dead_letters={"max_ratio": 0.0})
    events = [feedback(n) for n in range(100)]
    counts = ingest(tmp_path, config, impressions(50), events)
    assert counts.dead_letters == {"feedback_without_impression": 50}


def test_an_event_that_nobody_emits_is_refused_unless_it_may_be_absent(tmp_path):
    share = {**CLICK, "label": {"event": "share"}}
    with pytest.raises(InputError, match=r"`share`.*Emitted events are \['click'\]"):
        ingest(tmp_path, make_config(tasks={"click": CLICK, "share": share}), impressions(20))
    share["label"]["may_be_absent"] = True
    counts = ingest(tmp_path, make_config(tasks={"click": CLICK, "share": share}))
    assert counts.tasks["share"]["train"].positives == 0


def test_a_task_without_positives_warns_and_still_runs(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        counts = ingest(tmp_path, None, impressions(20), [feedback(0, value=0.0)])
    assert "tasks.click: no label of 20 is above 0" in caplog.text
    assert counts.impressions.examples == 20


def test_a_gzip_that_ends_too_early_is_one_clear_error(tmp_path):
    write_parquet(tmp_path / "logs" / "impressions" / "a.parquet", impressions(5))
    path = tmp_path / "logs" / "feedback.csv.gz"
    write_csv(path, [feedback(n, event=f"click{n}") for n in range(30_000)])
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"feedback\.csv\.gz: cannot be read"):
        ingest(tmp_path)


def test_an_earlier_ingestion_is_replaced_whole(tmp_path):
    ingest(tmp_path, make_config(partitions=5), impressions(20))
    ingest(tmp_path, make_config(partitions=2))
    assert len(list((tmp_path / "out" / "Split-train").iterdir())) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "out"}


def test_a_folder_with_other_files_is_not_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    with pytest.raises(InputError, match="must be new, empty"):
        ingest(tmp_path, None, impressions(20))
    assert (tmp_path / "out" / "thesis.txt").exists()


def test_a_log_without_rows_is_refused(tmp_path):
    rows = impressions(1)
    write_csv(tmp_path / "logs" / "impressions.csv", rows)
    header = (tmp_path / "logs" / "impressions.csv").read_bytes().partition(b"\n")[0]
    (tmp_path / "logs" / "impressions.csv").write_bytes(header + b"\n")
    write_csv(tmp_path / "logs" / "feedback.csv", [feedback(0)])
    with pytest.raises(InputError, match="at least one impression"):
        ingest(tmp_path)


def test_a_split_without_examples_is_refused(tmp_path):
    split = {"by": "user", "eval_fraction": 0.1}
    with pytest.raises(InputError, match="eval has none of 8"):
        ingest(tmp_path, make_config(split=split), impressions(8, user_id="one"))


def test_counts_that_do_not_balance_are_a_bug_and_not_an_input_error(tmp_path):
    counts = ingest(tmp_path, None, impressions(20))
    lost = counts.impressions.model_copy(update={"read": 21})
    with pytest.raises(AssertionError, match="impressions do not balance: 21 read"):
        check_counts(counts.model_copy(update={"impressions": lost}), make_config())


def test_a_counts_file_with_something_else_is_refused(tmp_path):
    (tmp_path / "counts.json").write_text('{"impressions": 3}')
    with pytest.raises(InputError, match="must hold counts"):
        read_counts(str(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        read_counts(str(tmp_path / "nowhere"))


def test_logs_for_scoring_may_leave_a_split_empty(tmp_path):
    write_parquet(tmp_path / "logs" / "impressions.parquet", impressions(3))
    write_parquet(tmp_path / "logs" / "feedback.parquet", [feedback(0)])
    config = make_config(split={"by": "time", "eval_last": "1d"})
    with pytest.raises(InputError, match="train has none of 3"):
        run_ingest(config, str(tmp_path / "logs"), str(tmp_path / "out"))
    counts = run_ingest(config, str(tmp_path / "logs"), str(tmp_path / "out"), every_split=False)
    assert counts.splits == {"train": 0, "eval": 3}
