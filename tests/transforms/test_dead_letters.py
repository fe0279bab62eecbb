"""Every kind of dead letter, planted among good rows: it is found where it stands, alone."""

from pathlib import Path
from typing import NamedTuple

import pytest
from broken_rows import BLOCK_ROWS, CELLS, CONFIG, LINES, Hidden, hide
from ingest_inputs import Row, feedback, impressions, make_config, write_parquet
from ingest_runs import digest, ingest, read_dead_letters

from transforms.errors import InputError
from transforms.ingest.counting.counts import IngestCounts
from transforms.ingest.dead_letters.reasons import Reason

GOOD = 300
KINDS = {
    "csv": {*CELLS, *(("impressions", reason) for reason in [*LINES, "unreadable_rest"])},
    "parquet": {*CELLS, ("impressions", "unreadable_row_group")},
}
PLANTED = sorted((file_format, *kind) for file_format, kinds in KINDS.items() for kind in kinds)


class Ingested(NamedTuple):
    """Logs with one broken row of each kind, and what became of them."""

    folder: Path
    hidden: Hidden
    counts: IngestCounts
    letters: list[Row]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory) -> dict[str, Ingested]:
    found = {}
    for file_format in KINDS:
        folder = tmp_path_factory.mktemp(file_format)
        hidden = hide(folder / "logs", file_format, GOOD, len(KINDS[file_format]) - 1)
        found[file_format] = Ingested(
            folder, hidden, ingest(folder, CONFIG), read_dead_letters(folder)
        )
    return found


def test_every_reason_is_planted():
    """Save one, which only a day of dated logs knows: see test_rolling.py."""
    planted = {reason for kinds in KINDS.values() for _, reason in kinds}
    assert planted | {"outside_span"} == {reason.value for reason in Reason}


@pytest.mark.parametrize(("file_format", "role", "reason"), PLANTED)
def test_a_broken_row_is_a_dead_letter_with_its_reason(ingested, file_format, role, reason):
    logs = ingested[file_format]
    (place,) = (p for p, r in logs.hidden.broken.items() if r == reason and p[0].startswith(role))
    found = [row for row in logs.letters if row["kind"] == role and row["reason"] == reason]
    assert [(row["source"], row["row"]) for row in found] == [place]
    assert found[0]["detail"]
    assert len(found[0]["text"]) <= 1000
    assert found[0]["rows"] == (BLOCK_ROWS if reason == "unreadable_row_group" else 1)


@pytest.mark.parametrize("file_format", KINDS)
def test_nothing_else_is_refused_and_the_counts_say_so(ingested, file_format):
    _, hidden, counts, letters = ingested[file_format]
    assert {(row["source"], row["row"]): row["reason"] for row in letters} == hidden.broken
    assert len(letters) == len(hidden.broken)
    assert counts.impressions.examples == hidden.impressions
    assert counts.feedback.attributed == hidden.feedback
    assert sum(counts.dead_letters.values()) == sum(row["rows"] for row in letters)
    assert counts.impressions.duplicates == counts.feedback.duplicates == 0


@pytest.mark.parametrize(
    ("file_format", "reason", "text"),
    [
        ("csv", "too_many_values", ",a|b,more"),
        ("csv", "unreadable_rest", "r1000"),
        ("csv", "wrong_encoding", ",d\ufffd,"),
        ("parquet", "wrong_encoding", '"country": "d\ufffd"'),
        ("parquet", "null_character", '"user_id": "u\\u0000\\u0000"'),
    ],
)
def test_the_text_is_the_row_as_it_stands(ingested, file_format, reason, text):
    (letter,) = (row for row in ingested[file_format].letters if row["reason"] == reason)
    assert text in letter["text"]


def test_dead_letters_of_broken_files_do_not_depend_on_the_run(ingested, tmp_path):
    folder = ingested["parquet"].folder
    first = digest(folder / "out")
    ingest(folder, CONFIG)
    assert digest(folder / "out") == first


@pytest.mark.parametrize("file_format", KINDS)
def test_a_file_that_breaks_off_stops_the_run_unless_allowed(ingested, file_format):
    logs = ingested[file_format]
    strict = CONFIG.logs.dead_letters.model_copy(update={"max_unreadable_files": 0})
    config = CONFIG.model_copy(
        update={"logs": CONFIG.logs.model_copy(update={"dead_letters": strict})}
    )
    with pytest.raises(InputError, match=r"at most 0 files may break off.*cannot be read from"):
        ingest(logs.folder, config)
    assert read_dead_letters(logs.folder) == logs.letters


def test_a_closed_list_of_events_must_name_those_of_the_labels():
    with pytest.raises(ValueError, match=r"logs.events: must name every event.*Missing: \['click"):
        make_config(events=["hide"])


def test_without_a_list_of_events_any_event_is_only_counted(tmp_path):
    events = [feedback(0), feedback(1, event="clik")]
    counts = ingest(tmp_path, make_config(), impressions(20), events)
    assert counts.feedback.unused == 1
    assert counts.events == {"click": 1, "clik": 1}
    assert not counts.dead_letters


def test_a_repeated_header_does_not_count_towards_the_ratio(tmp_path):
    logs = tmp_path / "logs"
    write_parquet(logs / "feedback.parquet", [feedback(0)])
    header = b"request_id,user_id,item_id,timestamp,age,country,tags\n"
    rows = b"".join(b"r%d,u,i,%d,1,de,a\n" % (n, n) + header for n in range(20))
    (logs / "impressions.csv").write_bytes(header + rows)
    counts = ingest(tmp_path, make_config(dead_letters={"max_ratio": 0.0}))
    assert counts.impressions.model_dump() == {
        **{"read": 40, "examples": 20, "duplicates": 0, "dead": 20}
    }
