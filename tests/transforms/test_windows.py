"""The newest versions of the last days as one set of examples."""

import shutil
from pathlib import Path

import numpy as np
from ingest_inputs import feedback, impression, make_config, write_parquet
from ingest_runs import digest, ingest, read_examples
from rolling_inputs import FIRST, LAST, WHOLE, dated_config, random_days, rolling, write_days

from transforms.ingest.dead_letters.letters import read_dead_letters
from transforms.ingest.plan import IngestOutputs
from transforms.rolling.roll import roll
from transforms.rolling.window import assemble, describe_window, window_counts, window_files
from transforms.spans.days import DAY


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


def test_a_window_of_uris_is_assembled_of_the_same_files(tmp_path):
    shown, events = random_days(seed=8)
    write_days(tmp_path / "logs", shown, events)
    window = roll(rolling(tmp_path, WHOLE), FIRST + 1)
    remote = [one._replace(folder=Path(one.folder).as_uri()) for one in window]
    for found, name in ((window, "paths"), (remote, "uris")):
        folders = [tmp_path / name / kind for kind in ("train", "eval", "report")]
        places = [str(one) if name == "paths" else one.as_uri() for one in folders]
        assemble(WHOLE, found, IngestOutputs(*places))
    assert digest(tmp_path / "paths") == digest(tmp_path / "uris")
    assert len(digest(tmp_path / "uris")) > 12


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
