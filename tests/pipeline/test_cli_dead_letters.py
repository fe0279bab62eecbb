"""`gaterank deadletters`: counts, samples and export, as a person sees them."""

import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from pipeline.cli.main import cli
from pipeline.config import load_config
from pipeline.report.dead_letters import print_letters
from pipeline.stages import ingest_logs
from tests.pipeline.tiny import tiny_document
from transforms.errors import InputError
from transforms.ingest.dead_letters.files import DEAD_LETTER_SCHEMA
from transforms.ingest.dead_letters.reasons import Reason
from transforms.simulator.simulate import simulate


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Logs in which one row in twenty is broken, and their ingestion."""
    folder = tmp_path_factory.mktemp("deadletters")
    document = tiny_document()
    document["logs"]["dead_letters"] = {"max_ratio": 0.5}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(document))
    simulate(folder / "logs", 2000, seed=1, file_format="csv", broken=0.05)
    ingest_logs(load_config(folder / "tiny.yaml"), folder / "logs", folder / "out")
    return folder


def run(*arguments: object) -> str:
    command = ["deadletters", *map(str, arguments)]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_reasons_are_counted_and_told_in_a_sentence(folder):
    counts = json.loads((folder / "out" / "dead_letters" / "counts.json").read_text())
    document = json.loads(run(folder / "out", "--json", "--limit", "2"))
    assert {code: r["rows"] for code, r in document["reasons"].items()} == counts["dead_letters"]
    assert document["rows"] == sum(counts["dead_letters"].values())
    for code, reason in document["reasons"].items():
        assert reason["sentence"] == Reason(code).sentence
        assert len(reason["letters"]) == min(2, reason["rows"])
    shown = run(folder / "out" / "dead_letters")
    assert all(code in shown for code in counts["dead_letters"])


def test_one_reason_can_be_looked_at(folder):
    shown = run(folder / "out", "--reason", "bad_timestamp", "--limit", 1)
    assert "Received: 'yesterday'" in shown
    assert shown.count("yesterday") == 2
    assert "too_few_values" not in shown
    nothing = run(folder / "out", "--reason", "not_whole", "--json")
    assert json.loads(nothing) == {"rows": 0, "reasons": {}}


def test_what_a_row_holds_is_shown_and_not_obeyed():
    text = "\x1b[31m[bold]red[/bold]\u202e\n\ufffd"
    letter = {"kind": "feedback", "source": text, "row": 7, "reason": "wrong_type", "rows": 1}
    letters = pa.Table.from_pylist([{**letter, "detail": text, "text": text}], DEAD_LETTER_SCHEMA)
    page = io.StringIO()
    print_letters(letters, 3, Console(file=page, width=80))
    shown = page.getvalue()
    assert shown.count("[bold]red[/bold]") == 3
    assert not {"\x1b", "\u202e"} & set(shown)


def test_rows_are_exported_to_be_repaired(folder):
    out = folder / "export"
    shown = run(
        *(folder / "out", "--reason", "bad_timestamp", "--limit", 0),
        *("--export", out, "--logs", folder / "logs"),
    )
    files = sorted(path for path in out.rglob("*") if path.is_file())
    assert files
    for path in files:
        lines = path.read_text().splitlines()
        assert lines[0].startswith("request_id,")
        assert f"{len(lines) - 1} rows in {path}" in shown
        assert all("yesterday" in line for line in lines[1:])


def test_without_a_workspace_the_logs_must_be_named(folder):
    with pytest.raises(InputError, match="name the folder of the log files by --logs"):
        run(folder / "out", "--export", folder / "nowhere")


def test_a_folder_that_is_neither_ingestion_nor_workspace_is_refused(folder):
    with pytest.raises(InputError, match="must be a workspace of `gaterank run`"):
        run(folder / "logs")


def test_a_workspace_whose_first_span_was_refused_shows_what_was_refused(folder, tmp_path):
    workspace = tmp_path / "workspace"
    spans = workspace / "spans" / "tiny" / "2026-01-05" / "v1"
    spans.mkdir(parents=True)
    shutil.copytree(folder / "out" / "dead_letters", spans / "dead_letters")
    shown = json.loads(run(workspace, "--json"))
    assert shown == json.loads(run(folder / "out", "--json"))
