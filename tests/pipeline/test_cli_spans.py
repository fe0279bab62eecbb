"""Days of logs by the command line: ingested once, trained on as a window."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli.main import cli
from pipeline.config import load_config
from pipeline.local_runner import run_local
from pipeline.workspace import Run, Workspace
from tests.pipeline.tiny import tiny_document
from transforms.errors import ConfigError, InputError
from transforms.rolling.store import SpanStore
from transforms.simulator.simulate import simulate
from transforms.spans.days import parse_span

FIRST = parse_span("2026-01-05")
DAYS = 5


def write_yaml(folder: Path, name: str, **spans: object) -> Path:
    """The tiny preset with history features, for dated folders."""
    document = tiny_document()
    by_user = {"of": "user", "kind": "history", "by": "user_id", "statistic": "mean"}
    document["features"]["user_clicks"] = by_user | {"task": "click"}
    for task in document["tasks"].values():
        task["label"]["may_be_absent"] = True
    document["logs"] |= {"spans": {"window": 2} | spans, "dead_letters": {"max_ratio": 0.5}}
    path = folder / name
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Five days of logs."""
    folder = tmp_path_factory.mktemp("spans")
    simulate(folder / "logs", 3000, seed=1, days=DAYS, file_format="csv", broken=0.01)
    write_yaml(folder, "tiny.yaml")
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_ingest_fills_a_store_of_days_and_reads_a_day_once(folder):
    command = ["ingest", folder / "tiny.yaml", "--logs", folder / "logs", "--out", folder / "store"]
    shown = run(*command, "--span", "2026-01-07")
    assert re.findall(r"(\S+): version (\d)", shown) == [("2026-01-06", "1"), ("2026-01-07", "1")]
    made = (folder / "store" / "2026-01-05" / "v1" / "span.json").stat().st_mtime_ns
    # The longest label takes two days, and feedback comes for days after the last impression.
    shown = run(*command)
    assert re.findall(r"(\S+): version (\d)", shown) == [("2026-01-08", "1"), ("2026-01-09", "1")]
    assert (folder / "store" / "2026-01-05" / "v1" / "span.json").stat().st_mtime_ns == made
    assert list(SpanStore(str(folder / "store")).spans()) == list(range(FIRST, FIRST + DAYS))
    document = json.loads(run("deadletters", folder / "store", "--json", "--limit", 1))
    counts = [
        json.loads(path.read_text())["dead_letters"]
        for path in folder.glob("store/*/v1/dead_letters/counts.json")
    ]
    assert document["rows"] == sum(sum(count.values()) for count in counts) > 0


def test_a_store_can_be_named_by_a_uri(folder):
    logs, store = ((folder / name).as_uri() for name in ("logs", "by_uri"))
    shown = run("ingest", folder / "tiny.yaml", "--logs", logs, "--out", store)
    assert re.findall(r"(\S+): version (\d)", shown) == [("2026-01-08", "1"), ("2026-01-09", "1")]
    seen = [run("deadletters", place, "--json") for place in (store, folder / "by_uri")]
    assert seen[0] == seen[1]
    export = run("deadletters", store, "--export", folder / "repair", "--logs", logs)
    assert re.search(r"\d+ rows in .*/repair/", export)
    for place in (logs, (folder / "tiny.yaml").as_uri()):
        with pytest.raises(InputError, match="must be a folder of `gaterank ingest`"):
            run("deadletters", place)


def test_what_makes_no_sense_together_is_refused(folder):
    ingest = ["ingest", folder / "tiny.yaml", "--logs", folder / "logs", "--out", folder / "no"]
    with pytest.raises(InputError, match="must be a date, such as 2026-01-05"):
        run(*ingest, "--span", "monday")
    (folder / "history.parquet").touch()
    with pytest.raises(InputError, match="a day goes on from the day before"):
        run(*ingest, "--history", folder / "history.parquet")
    document = tiny_document()
    (folder / "plain.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(InputError, match=r"needs `logs\.spans` in the YAML"):
        run("ingest", folder / "plain.yaml", *ingest[2:], "--span", "2026-01-05")
    with pytest.raises(ConfigError, match=r"logs\.spans: a pattern must hold \{SPAN\} once"):
        run("validate", write_yaml(folder, "odd.yaml", input="*/*"))


def check_bases(first: Run, second: Run, shown: str) -> None:
    """Each role of the second run began from its own model of the first."""
    models = [Path(model) for model in re.findall(r"starts from (\S+)/Format-TFMA: ", shown)]
    assert sorted(model.parts[-3] for model in models) == ["BaselineTrainer", "CandidateTrainer"]
    assert {*map(str, models)} <= {model.uri for model in first.artifacts["Model"]}
    inputs = second.document("gaterank.GateReport", "inputs.json")
    for role in ("candidate", "baseline"):
        assert len(inputs[role]["base"]["mapped"]) > 10
        assert inputs[role]["base"]["fresh"] == []


@pytest.mark.long
def test_the_pipeline_trains_on_a_window_that_moves_on_from_the_blessed_models(folder, capfd):
    config = load_config(folder / "tiny.yaml").with_training(base="latest_blessed")
    workspace = Workspace(folder / "workspace")
    first = run_local(config, workspace, folder / "logs", FIRST + 2)
    assert capfd.readouterr().err.count("starts from scratch: there is no base yet") == 2
    second = run_local(config, workspace, folder / "logs", FIRST + 3)
    check_bases(first, second, capfd.readouterr().err)
    again = run_local(config, workspace, folder / "logs", FIRST + 3)
    assert "starts from" not in capfd.readouterr().err, "what is repeated does nothing again"
    assert again.uri("Model") == second.uri("Model")
    store = SpanStore(str(workspace.places(config.name, "").spans))
    assert list(store.spans()) == [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]
    assert all(store.newest(span).record.version == 1 for span in store.spans())
    for done, last in ((first, FIRST + 2), (second, FIRST + 3)):
        window = [store.newest(span).counts().splits for span in (last - 1, last)]
        counts = done.document("gaterank.IngestReport", "counts.json")
        for split in ("train", "eval"):
            assert counts["splits"][split] == sum(splits[split] for splits in window) > 0
        (examples,) = done.artifacts["Examples"][:1]
        assert examples.custom_properties["span"].int_value == last
        data = done.document("gaterank.GateReport", "inputs.json")["lineage"]["data"]
        assert data["spans"].startswith(f"2026-01-0{last - 1 - FIRST + 5} v1, ")
        known = pq.read_table(done.uri("gaterank.IngestReport") / "history.parquet")
        assert known.num_rows == pq.read_table(store.newest(last).history).num_rows
    assert "spans" in run("lineage", workspace.folder)
    assert "rows" in run("deadletters", workspace.folder, "--limit", 0)


@pytest.mark.slow
def test_one_stage_trains_on_the_window_of_a_store(folder):
    command = ["ingest", folder / "tiny.yaml", "--logs", folder / "logs", "--out", folder / "store"]
    run(*command)
    train = ["train", folder / "tiny.yaml", "--examples", folder / "store", "--span", "2026-01-08"]
    shown = run(*train, "--out", folder / "model")
    assert "best epoch" in shown
    assert "starts from" not in shown
    shown = run(*train, "--out", folder / "later", "--base", folder / "model")
    assert f"starts from {folder / 'model'}: " in shown
    with pytest.raises(InputError, match=r"must be what `gaterank train` wrote"):
        run(*train, "--out", folder / "later", "--base", folder / "logs")
    with pytest.raises(InputError, match=r"must hold the examples of `gaterank ingest`"):
        run("train", folder / "tiny.yaml", "--examples", folder / "logs", "--out", folder / "no")
