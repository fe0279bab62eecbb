"""Logs and examples named by URIs, as on an object store; `file://` goes the same way."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from ingest_inputs import feedback, impression, impressions, make_config, write_parquet
from ingest_runs import digest

from transforms.errors import DeadLetterRatioError, InputError
from transforms.ingest.pipeline import run_ingest
from transforms.storage import locate, remove_attempts

HALF = ".shard.gz.0123456789abcdef0123456789abcdef"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    write_parquet(folder / "impressions.parquet", impressions(100))
    write_parquet(folder / "feedback.parquet", [feedback(0)])
    return folder


def test_a_uri_and_a_path_give_the_same_bytes(logs, tmp_path):
    run_ingest(make_config(), str(logs), str(tmp_path / "path"))
    for _ in range(2):  # the second takes the place of the first
        counts = run_ingest(make_config(), logs.as_uri(), (tmp_path / "uri").as_uri() + "/")
        assert counts.impressions.examples == 100
        assert digest(tmp_path / "uri") == digest(tmp_path / "path")


def test_a_folder_of_something_else_is_left_alone(logs, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").touch()
    with pytest.raises(InputError, match=r"file://.*/mine: must be new, or of an earlier run"):
        run_ingest(make_config(), str(logs), (tmp_path / "mine").as_uri())
    assert (tmp_path / "mine" / "thesis").exists()


def test_an_ingestion_that_died_has_no_counts_and_the_next_one_takes_its_place(logs, tmp_path):
    out = tmp_path / "out"

    def engine_that_dies():
        raise RuntimeError("lost")

    run_ingest(make_config(), str(logs), out.as_uri())
    with pytest.raises(RuntimeError, match="lost"):
        run_ingest(make_config(), str(logs), out.as_uri(), engine_that_dies)
    assert [path.name for path in out.iterdir()] == [".unfinished"]
    run_ingest(make_config(partitions=3), str(logs), out.as_uri())
    assert len(list((out / "Split-train").iterdir())) == 3
    assert not (out / ".unfinished").exists()


def test_refused_rows_can_be_looked_at_and_there_are_no_examples(tmp_path):
    broken = [impression(n, user_id=None) for n in range(9)]
    write_parquet(tmp_path / "logs" / "impressions.parquet", [impression(9), *broken])
    write_parquet(tmp_path / "logs" / "feedback.parquet", [feedback(9)])
    out = tmp_path / "out"
    with pytest.raises(DeadLetterRatioError, match=f"refused rows: {out.as_uri()}/dead_letters"):
        config = make_config(dead_letters={"max_ratio": 0.1})
        run_ingest(config, (tmp_path / "logs").as_uri(), out.as_uri())
    assert [path.name for path in out.iterdir()] == ["dead_letters"]


@pytest.mark.parametrize("uri", ["nosuch://bucket/logs", "gs//x://"])
def test_a_uri_of_no_known_kind_is_refused(uri):
    with pytest.raises(InputError, match=r"must be a path or a URI"):
        locate(uri)


def test_a_uri_that_this_machine_has_no_library_for_is_one_line(monkeypatch):
    def load(_):
        raise OSError("Unable to load libjvm\ndlopen(/usr/lib/jvm/libjvm.so) failed")

    file_systems = SimpleNamespace(FileSystem=SimpleNamespace(from_uri=load))
    monkeypatch.setattr("transforms.storage.fs", file_systems)
    with pytest.raises(InputError, match=r"^hdfs://logs: must be a path or a URI: .*libjvm$"):
        locate("hdfs://logs")


def test_only_what_was_half_written_is_removed(tmp_path):
    for name in (HALF, ".hidden", HALF.removeprefix("."), "shard.gz"):
        (tmp_path / name).touch()
    (tmp_path / HALF.replace("shard", "folder")).mkdir()
    remove_attempts(tmp_path.as_uri())
    assert len(list(tmp_path.iterdir())) == 4 and not (tmp_path / HALF).exists()
    remove_attempts(str(tmp_path / "nowhere"))


def test_a_store_that_does_not_answer_is_one_message_without_passwords(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    uri = "s3://bucket/logs?endpoint_override=127.0.0.1:9&scheme=http"
    with pytest.raises(InputError, match="s3://bucket/logs: cannot be reached: ") as refused:
        run_ingest(make_config(), uri, str(tmp_path / "out"))
    assert "secret" not in str(refused.value)
