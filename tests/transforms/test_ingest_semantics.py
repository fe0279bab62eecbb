"""What docs/ingestion.md says of whole logs: exactly once, overlaps, and counts that balance."""

import random
from collections import Counter

import pytest
from ingest_inputs import (
    START,
    feedback,
    impression,
    impressions,
    make_config,
    write_csv,
    write_parquet,
)
from ingest_runs import ingest, read_examples
from slow_ingest import CONFIG, slow_join, slow_label

from transforms.engine import make_pipeline
from transforms.ingest.counting.counts import read_counts
from transforms.ingest.make_plan import make_plan
from transforms.ingest.pipeline import build_ingest
from transforms.ingest.plan import IngestOutputs

FILES = ("2026-01-01/%s.csv", "2026-01-01/%s.parquet", "2026-01-02/%s.csv.gz", "%s/late.parquet")


def random_logs(seed):
    """Impressions and feedback, each row a (file, row) of its own, some of them twice."""
    rng = random.Random(seed)
    shown = [
        {
            "request_id": f"r{rng.randrange(60)}",
            "item_id": f"i{rng.randrange(3)}",
            "user_id": rng.choice(["u1", "u1", "u1", "u2"]),
            "timestamp": START + 1000 * rng.randrange(30),
            "country": rng.choice(["de", "fr", None]),
        }
        for _ in range(150)
    ]
    events = [
        {
            **{name: row[name] for name in ("request_id", "item_id")},
            "event": rng.choice(CONFIG.events),
            "value": rng.choice([0.0, 1.0, 2.5]),
            "timestamp": row["timestamp"] + 1000 * rng.randrange(-4, 25),
        }
        for row in (rng.choice(shown) for _ in range(300))
    ]
    events += [{**row, "request_id": "nowhere"} for row in events[:5]]
    return [*shown, *rng.sample(shown, 30)], [*events, *rng.sample(events, 30)]


def write_files(logs, role, rows, rng):
    """Spreads rows over files; gives them with the number of their file and their row in it."""
    names = sorted(name % role for name in FILES)
    placed = {name: [] for name in names}
    for row in rows:
        placed[rng.choice(names)].append(row)
    for name, found in placed.items():
        (write_parquet if name.endswith("parquet") else write_csv)(logs / name, found)
    first = {name: 1 if name.endswith("parquet") else 2 for name in names}
    return [
        {**row, "source": names.index(name), "row": first[name] + place}
        for name, found in placed.items()
        for place, row in enumerate(found)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_files_of_all_forms_give_the_labels_and_counts_of_the_plain_reference(tmp_path, seed):
    shown, events = random_logs(seed)
    rng = random.Random(seed)
    logs = tmp_path / "logs"
    filler = {"age": 1.0, "tags": "a"}
    shown = write_files(logs, "impressions", [{**row, **filler} for row in shown], rng)
    events = write_files(logs, "feedback", events, rng)
    kept, belongs, outcomes = slow_join(shown, events)
    counts = ingest(tmp_path, CONFIG)
    examples = {
        (row["request_id"][0].decode(), row["item_id"][0].decode()): row
        for row in read_examples(tmp_path)
    }
    assert examples.keys() == kept.keys()
    for key, example in examples.items():
        assert example["user_id"] == [kept[key]["user_id"].encode()]
        for name, task in CONFIG.tasks.items():
            label, weight = slow_label(task, kept[key], belongs[key])
            found = (example[f"label_{name}"], example[f"weight_{name}"])
            assert found == ([pytest.approx(label, rel=1e-6)], [weight]), (key, name)
    assert dict(counts.impressions) == {
        "read": len(shown),
        "examples": len(kept),
        "duplicates": outcomes["duplicate_impressions"],
        "dead": outcomes["conflicting_impression"],
    }
    reasons = ("feedback_without_impression", "feedback_before_impression")
    assert dict(counts.feedback) == {
        "read": len(events),
        "attributed": outcomes["attributed"],
        "duplicates": outcomes["duplicate_feedback"],
        "outside_window": outcomes["outside_window"],
        "unused": 0,
        "other_spans": 0,
        "dead": sum(outcomes[reason] for reason in reasons),
    }
    dead = Counter(counts.dead_letters)
    assert all(dead[reason] == outcomes[reason] for reason in (*reasons, "conflicting_impression"))


def test_an_overlap_of_two_days_counts_once(tmp_path):
    """The second day begins with the last hour of the first, as careful exports do."""
    shown, events = impressions(100), [feedback(n) for n in range(0, 100, 3)]
    for day, rows in (("2026-01-01", slice(0, 60)), ("2026-01-02", slice(40, 100))):
        write_csv(tmp_path / "logs" / "impressions" / f"{day}.csv", shown[rows])
        inside = {row["request_id"] for row in shown[rows]}
        clicks = [row for row in events if row["request_id"] in inside]
        write_csv(tmp_path / "logs" / "feedback" / f"{day}.csv", clicks)
    counts = ingest(tmp_path)
    ingest(tmp_path / "once", None, [{**row, "tags": ["a", "b"]} for row in shown], events)
    assert sorted_by_request(tmp_path) == sorted_by_request(tmp_path / "once")
    assert counts.impressions.duplicates == 20
    assert counts.feedback.duplicates == len([n for n in range(40, 60) if n % 3 == 0])
    assert not counts.dead_letters


def sorted_by_request(folder):
    return sorted(read_examples(folder), key=lambda row: row["request_id"])


def test_of_an_impression_that_is_logged_twice_the_first_by_time_counts(tmp_path):
    rows = [impression(n, timestamp=START + 500, country="fr") for n in range(20)]
    rows += [impression(n, timestamp=START + 400) for n in range(20)]
    counts = ingest(tmp_path, None, rows)
    assert {row["country"][0] for row in read_examples(tmp_path)} == {b"de"}
    assert (counts.impressions.examples, counts.impressions.duplicates) == (20, 20)


def test_an_impression_without_feedback_is_an_example_without_positive_labels(tmp_path):
    counts = ingest(tmp_path, None, impressions(20), [feedback(0)])
    labels = Counter(row["label_click"][0] for row in read_examples(tmp_path))
    assert labels == {0.0: 19, 1.0: 1}
    assert counts.impressions.examples == 20


def test_beams_counters_say_what_counts_json_says(tmp_path):
    shown = [*impressions(40), impression(1), impression(41, age=float("inf"))]
    events = [feedback(0), feedback(0), feedback(99), feedback(3, event="hide")]
    write_parquet(tmp_path / "impressions.parquet", shown)
    write_parquet(tmp_path / "feedback.parquet", events)
    outputs = IngestOutputs(*(str(tmp_path / name) for name in ("train", "eval", "letters")))
    pipeline = make_pipeline()
    build_ingest(pipeline, make_plan(make_config(), str(tmp_path)), outputs)
    result = pipeline.run()
    result.wait_until_finish()
    found: Counter[str] = Counter()
    for counter in result.metrics().query()["counters"]:
        if counter.key.metric.namespace == "gaterank.ingest":
            found[counter.key.metric.name] += counter.committed
    counts = read_counts(outputs.dead_letters)
    expected = {
        f"{kind}_{name}": count
        for kind in ("impressions", "feedback", "splits", "dead_letters")
        for name, count in dict(getattr(counts, kind)).items()
    }
    assert {name: count for name, count in found.items() if count} == {
        name: count for name, count in expected.items() if count
    }
    assert expected["impressions_read"] == 42
