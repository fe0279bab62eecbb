"""Refused rows are exported, repaired and put in again, and nothing is doubled."""

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken_rows import CONFIG, KINDS_NOT_WHOLE, done, hide, line, shown
from ingest_inputs import START, feedback, impression, impressions, make_config, write_parquet
from ingest_runs import ingest, read_examples

from transforms.errors import InputError
from transforms.ingest.dead_letters.letters import of_reasons, read_dead_letters, rows_by_reason
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.repairing.export import NOT_MENDABLE, export_rows, repaired_name

BROKEN_CSV = b"""request_id,user_id,item_id,timestamp,age,country,tags
r100,u100,i0,%(time)d,thirty,de,a|b
r101,,i0,%(time)d,30.5,de,a|b
r102,u102,i0,%(time)d,30.5
r103,u103,i0,%(time)d,30.5,de,a|b
""" % {b"time": START}
FIXES = {
    "impressions/day/b_repaired.csv": [
        (b"thirty", b"30.5"),
        (b"r101,,", b"r101,u101,"),
        (b"30.5\n", b"30.5,de,a|b\n"),
    ],
    "impressions/a_repaired.csv": [(b"other", b"u1"), (b"r1,", b"r104,")],
    "feedback/f_repaired.csv": [(b"2026-01-01 00:00:00.000Z", b"2026-01-01 00:00:05.000Z")],
}


def write_logs(logs: Path) -> None:
    """Good rows, and five that a person can repair."""
    wrong_user = impression(1, user_id="other", timestamp=START + 1500, tags=["a", "b"])
    shown_rows = [*impressions(20, tags=["a", "b"]), wrong_user]
    write_parquet(logs / "impressions" / "a.parquet", shown_rows, row_group_size=8)
    (logs / "impressions" / "day").mkdir()
    (logs / "impressions" / "day" / "b.csv.gz").write_bytes(gzip.compress(BROKEN_CSV))
    early = feedback(3, timestamp=START)
    events = pa.Table.from_pylist([feedback(0), feedback(1), early])
    times = events["timestamp"].cast(pa.timestamp("ms", "UTC"))
    (logs / "feedback").mkdir()
    pq.write_table(events.set_column(4, "timestamp", times), logs / "feedback" / "f.parquet")


CONFIG_OF_REPAIR = make_config(clock_skew="1s")


@pytest.fixture
def repaired(tmp_path) -> Path:
    """Logs that were ingested, and beside them the refused rows, repaired."""
    write_logs(tmp_path / "logs")
    counts = ingest(tmp_path, CONFIG_OF_REPAIR)
    assert sum(counts.dead_letters.values()) == 5
    letters = read_dead_letters(str(tmp_path / "out" / "dead_letters"))
    exported = export_rows(letters, str(tmp_path / "logs"), tmp_path / "repaired")
    assert exported.files == {
        **{"impressions/day/b_repaired.csv": 3, "impressions/a_repaired.csv": 1},
        "feedback/f_repaired.csv": 1,
    }
    assert exported.left_out == 0
    for name, fixes in FIXES.items():
        path = tmp_path / "repaired" / name
        content = path.read_bytes()
        for broken, right in fixes:
            assert content.count(broken) == 1, (name, broken, content)
            content = content.replace(broken, right)
        path.write_bytes(content)
    return tmp_path


def by_request(examples):
    return {row["request_id"][0].decode(): row for row in examples}


def test_repaired_rows_become_examples_and_labels_beside_those_there_were(repaired):
    before = by_request(read_examples(repaired))
    shutil.copytree(repaired / "repaired", repaired / "logs", dirs_exist_ok=True)
    counts = ingest(repaired, CONFIG_OF_REPAIR)
    after = by_request(read_examples(repaired))
    assert set(after) - set(before) == {"r100", "r101", "r102", "r104"}
    assert counts.impressions.examples == len(before) + 4
    assert (before["r3"]["label_click"], after["r3"]["label_click"]) == ([0.0], [1.0])
    changed = {request for request in before if before[request] != after[request]}
    assert changed == {"r3"}
    whole = after["r100"]
    assert whole == {**after["r103"], "request_id": [b"r100"], "user_id": [b"u100"]}
    # The broken rows stand where they stood, and are refused again.
    assert sum(counts.dead_letters.values()) == 5
    assert counts.impressions.duplicates == counts.feedback.duplicates == 0


def test_repaired_rows_that_are_put_in_twice_count_once(repaired):
    shutil.copytree(repaired / "repaired", repaired / "logs", dirs_exist_ok=True)
    once = ingest(repaired, CONFIG_OF_REPAIR)
    examples = by_request(read_examples(repaired))
    shutil.copytree(repaired / "repaired", repaired / "logs" / "again")
    twice = ingest(repaired, CONFIG_OF_REPAIR)
    assert twice.impressions.duplicates == 4
    assert twice.feedback.duplicates == 1
    assert twice.impressions.examples == once.impressions.examples
    assert by_request(read_examples(repaired)) == examples


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_rows_of_every_kind_are_exported_whole(tmp_path, file_format):
    hide(tmp_path / "logs", file_format, good=50, broken=28)
    ingest(tmp_path, CONFIG)
    letters = read_dead_letters(str(tmp_path / "out" / "dead_letters"))
    exported = export_rows(letters, str(tmp_path / "logs"), tmp_path / "repaired")
    left_out = KINDS_NOT_WHOLE[file_format]
    assert {reason.value for reason in NOT_MENDABLE} == set().union(*KINDS_NOT_WHOLE.values())
    assert exported.left_out == len(left_out)
    assert sum(exported.files.values()) == letters.num_rows - len(left_out)
    lines = (tmp_path / "repaired/impressions/hidden_repaired.csv").read_bytes().splitlines()
    numbers = {row: int(line.split(b",")[0][1:]) for row, line in enumerate(lines[1:])}
    long_list = next(n for row, n in numbers.items() if len(lines[1 + row]) > 10_000)
    assert line(shown(long_list, tags=b"a|" * 10_001)) in lines
    events = (tmp_path / "repaired/feedback/hidden_repaired.csv").read_bytes().splitlines()
    assert any(line(done(0, timestamp=e.split(b",")[-1])) == e for e in events[1:])


def test_only_some_reasons_can_be_asked_for(tmp_path):
    write_logs(tmp_path / "logs")
    ingest(tmp_path, CONFIG_OF_REPAIR)
    letters = read_dead_letters(str(tmp_path / "out" / "dead_letters"))
    assert sum(rows_by_reason(letters).values()) == 5
    some = of_reasons(letters, [Reason.WRONG_TYPE, Reason.MISSING_KEY])
    assert rows_by_reason(some) == {Reason.MISSING_KEY: 1, Reason.WRONG_TYPE: 1}
    assert of_reasons(letters, []).equals(letters)


def test_logs_that_changed_since_are_refused(tmp_path):
    write_logs(tmp_path / "logs")
    ingest(tmp_path, CONFIG_OF_REPAIR)
    letters = read_dead_letters(str(tmp_path / "out" / "dead_letters"))
    path = tmp_path / "logs" / "impressions" / "day" / "b.csv.gz"
    path.write_bytes(gzip.compress(BROKEN_CSV.partition(b"r102")[0]))
    with pytest.raises(InputError, match=r"b\.csv\.gz: must be as it was ingested.*no row 4"):
        export_rows(letters, str(tmp_path / "logs"), tmp_path / "one")
    path.unlink()
    with pytest.raises(InputError, match=r"must hold impressions/day/b\.csv\.gz"):
        export_rows(letters, str(tmp_path / "logs"), tmp_path / "two")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="must be a new or empty folder"):
        export_rows(letters, str(tmp_path / "logs"), tmp_path / "mine")


def test_a_folder_without_dead_letters_says_so(tmp_path):
    with pytest.raises(InputError, match="must hold the dead letters of an ingestion"):
        read_dead_letters(str(tmp_path / "nowhere"))
    (tmp_path / "dead_letters-00000-of-00001.parquet").write_text("no")
    with pytest.raises(InputError, match="must be a Parquet file"):
        read_dead_letters(str(tmp_path))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "dead_letters-00000-of-00001.parquet")
    with pytest.raises(InputError, match=r"must hold dead letters. Received: columns \['a'\]"):
        read_dead_letters(str(tmp_path))


def test_only_files_of_known_form_can_be_exported():
    assert repaired_name("impressions.csv.zst") == "impressions_repaired.csv"
    assert repaired_name("log_standard_pure.csv") == "log_standard_pure_repaired.csv"
    with pytest.raises(InputError, match=r"u\.data: rows can be exported of"):
        repaired_name("u.data")
