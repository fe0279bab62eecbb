"""Logs of which one key has all rows: memory does not grow with them, or by no more than said."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).with_name("hot_logs.py")
MILLION = 1_000_000


def ingest(key: str, rows: int, folder: Path) -> tuple[list[int], int]:
    """Examples and attributed feedback, and the most anonymous memory that there was, MB."""
    folder.mkdir()
    command = [sys.executable, str(PROGRAM), key, str(rows), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        found = re.search(r"RssAnon:\s+(\d+) kB", status.read_text())
        peak = max(peak, int(found[1]) // 1024 if found else 0)
        time.sleep(0.02)
    assert process.returncode == 0 and process.stdout is not None
    return [int(number) for number in process.stdout.read().split()], peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_user_with_twice_the_millions_of_rows_needs_no_more_memory(tmp_path: Path):
    """A slice has about a million rows here and there."""
    (examples, _), peak = ingest("user", 2 * MILLION, tmp_path / "two")
    assert examples == 2 * MILLION
    (examples, _), twice = ingest("user", 4 * MILLION, tmp_path / "four")
    assert examples == 4 * MILLION
    assert twice < 1.2 * peak
    assert twice < 1000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_millions_of_rows_of_one_request_are_joined_in_pieces(tmp_path: Path):
    """Six million rows, three of impressions; in one piece they would take a gigabyte more."""
    found, peak = ingest("request", 3 * MILLION, tmp_path / "request")
    assert found == [3 * MILLION, 3 * MILLION]
    assert peak < 800


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_million_rows_of_feedback_on_one_impression_make_one_label(tmp_path: Path):
    found, peak = ingest("impression", MILLION, tmp_path / "impression")
    assert found == [1, MILLION]
    assert peak < 800
