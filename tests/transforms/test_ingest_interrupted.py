"""Ingestion that is killed or meets a full disk leaves the folder as it was."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import apache_beam as beam
import pytest
from ingest_inputs import feedback, impressions, make_config, write_parquet
from ingest_runs import digest, ingest

from transforms.errors import DiskFullError, InputError
from transforms.folders import taking_the_place_of
from transforms.ingest.pipeline import run_ingest

ROOT = Path(__file__).resolve().parents[2]
KILLED_AT_THE_END = """
import os, signal, sys
from transforms.config import DataConfig
from transforms.ingest import pipeline
pipeline.check_counts = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
pipeline.run_ingest(DataConfig.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3])
"""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    write_parquet(folder / "impressions.parquet", impressions(2000))
    write_parquet(folder / "feedback.parquet", [feedback(0)])
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 256 KiB, of which 12 are left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only a user who may mount can fill a disk of its own")
    try:
        (disk / "ballast").write_bytes(b"0" * 244 * 1024)
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_killed_ingestion_leaves_the_earlier_one_and_the_next_one_replaces_it(logs, tmp_path):
    ingest(tmp_path)
    before = digest(tmp_path / "out")
    config = make_config(partitions=3)
    command = [KILLED_AT_THE_END, config.model_dump_json(), str(logs), str(tmp_path / "out")]
    killed = subprocess.run([sys.executable, "-c", *command], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert digest(tmp_path / "out") == before
    assert (tmp_path / ".out.partial" / "Split-train").is_dir()
    counts = ingest(tmp_path, config)
    assert counts.impressions.examples == 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "out"]


def test_a_full_disk_is_one_message_and_with_room_the_next_ingestion_succeeds(logs, small_disk):
    config = make_config(partitions=1)
    with pytest.raises(DiskFullError, match=r"disk/\..*: cannot be written: No space left on"):
        run_ingest(config, str(logs), str(small_disk / "out"))
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
    (small_disk / "ballast").unlink()
    run_ingest(config, str(logs), str(small_disk / "out"))
    assert sorted(path.name for path in small_disk.iterdir()) == ["out"]


def test_what_a_killed_worker_left_half_written_is_removed_and_nothing_else(logs, tmp_path):
    class LosesAWorker(beam.Pipeline):
        def __exit__(self, *exception):
            super().__exit__(*exception)
            half = tmp_path / ".out.partial" / "Split-train" / f".data_tfrecord.gz.{uuid4().hex}"
            half.write_bytes(b"half")
            half.with_name(".kept").touch()

    def engine():
        return LosesAWorker("FnApiRunner")

    run_ingest(make_config(), str(logs), str(tmp_path / "out"), engine)
    names = {path.name for path in (tmp_path / "out" / "Split-train").iterdir()}
    assert names == {".kept", *(f"data_tfrecord-0000{n}-of-00002.gz" for n in range(2))}


def test_a_place_that_can_be_no_folder_is_refused_before_the_logs_are_read(logs, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        run_ingest(make_config(), str(tmp_path / "nowhere"), str(tmp_path / "file" / "out"))
    with pytest.raises(InputError, match="must be new, empty"):
        run_ingest(make_config(), str(logs), "/")


def test_logs_that_are_refused_leave_nothing_beside_the_folder(tmp_path):
    with pytest.raises(InputError, match="must be a folder"):
        run_ingest(make_config(), str(tmp_path / "nowhere"), str(tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_a_folder_replaced_halfway_is_made_again(tmp_path):
    # As if a process had been killed between the two renames.
    (tmp_path / ".out.old").mkdir()
    (tmp_path / ".out.old" / "marker").touch()
    with taking_the_place_of(tmp_path / "out", "marker") as folder:
        (folder / "marker").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
