"""The main job on a tiny preset: logs in; a pushed ranker, a report and a ranking out."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.cli.demo import sample_request
from pipeline.cli.main import cli
from pipeline.local_runner import run_local
from pipeline.workspace import Run, Workspace
from tests.pipeline.tiny import IMPRESSIONS, write_tiny
from transforms.errors import DataAnomalyError, DeadLetterRatioError, InputError, NotBlessedError
from transforms.simulator.simulate import simulate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("end_to_end")


@pytest.fixture(scope="module")
def logs(folder) -> Path:
    simulate(folder / "logs", IMPRESSIONS, seed=1)
    return folder / "logs"


@pytest.fixture(scope="module")
def workspace(folder) -> Workspace:
    return Workspace(folder / "workspace")


@pytest.fixture(scope="module")
def first(folder, logs, workspace) -> Run:
    return run_local(write_tiny(folder)[1], workspace, logs)


def model_dir(first: Run, workspace: Workspace, logs: Path) -> Path:
    return workspace.places(first.ranker, str(logs)).served


def test_the_candidate_is_blessed_and_pushed(first, workspace, logs):
    assert first.blessed
    assert first.pushed_version == "1"
    versions = sorted(p.name for p in model_dir(first, workspace, logs).iterdir())
    assert versions == ["1"]


def test_every_row_is_accounted_for(first):
    counts = first.document("GaterankIngestReport", "counts.json")
    rows = counts["impressions"]
    assert rows["read"] == rows["examples"] + rows["duplicates"] + rows["dead"]
    assert sum(counts["splits"].values()) == rows["examples"]


def test_the_report_says_what_happened(first):
    page = (first.uri("GaterankGateReport") / "report.html").read_text()
    for word in ("click", "survey", "Blessed", "heatmap"):
        assert word.lower() in page.lower()
    inputs = first.document("GaterankGateReport", "inputs.json")
    assert inputs["export"]["max_difference"] < 1e-5
    assert inputs["candidate"]["gate"]["kind"] == "dselect_k"
    assert inputs["baseline"]["gate"]["kind"] == "top_k"


def test_tfma_reads_the_evaluation(first):
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(str(first.uri("ModelEvaluation")))
    assert result.slicing_metrics


def test_a_second_run_does_nothing_again(first, folder, logs, workspace, capfd):
    second = run_local(write_tiny(folder)[1], workspace, logs)
    shown = capfd.readouterr().err
    assert second.pushed_version == "1"
    components = int(re.search(r"\[1/(\d+)\]", shown)[1])
    assert shown.count(": unchanged") == components
    assert second.uri("Model") == first.uri("Model")


def test_a_bad_candidate_is_refused_and_nothing_is_pushed(first, folder, logs, workspace):
    threshold = {"task": "mean", "metric": "auc", "min_gain": 0.4}
    bad = {"thresholds": [threshold], "bootstrap_replicates": 20}
    path, _ = write_tiny(folder, evaluation=bad)
    command = ["run", str(path), "--workspace", str(workspace.folder), "--logs", str(logs)]
    result = CliRunner().invoke(cli, command)
    assert isinstance(result.exception, NotBlessedError)
    assert result.exception.exit_code == 4
    assert "min_gain" in str(result.exception)
    newest = workspace.runs()[0]
    assert newest.blessed is False
    assert newest.pushed_version is None
    assert newest.uri("GaterankGateReport") != first.uri("GaterankGateReport")
    assert [p.name for p in model_dir(first, workspace, logs).iterdir()] == ["1"]


def test_bulk_scoring_gives_one_row_an_impression(first, folder, logs, workspace):
    out = folder / "scores.parquet"
    path, config = write_tiny(folder)
    served = model_dir(first, workspace, logs)
    command = ["score", str(served), str(path), "--logs", str(logs), "--out", str(out)]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == 0
    table = pq.read_table(out)
    examples = first.document("GaterankIngestReport", "counts.json")["impressions"]["examples"]
    assert table.num_rows == examples
    for name in config.tasks:
        assert np.isfinite(table[f"prediction_{name}"].to_numpy()).all()
    assert table["label_survey"].null_count > 0, "an impression without an answer has no label"
    assert table["label_click"].null_count == 0


def test_the_pushed_model_is_served_and_ranks(first, folder, logs, workspace):
    served = model_dir(first, workspace, logs)
    request = folder / "request.json"
    request.write_text(json.dumps(sample_request(write_tiny(folder)[1], logs)))
    command = [sys.executable, "-m", "pipeline.cli.main", "serve", str(served)]
    server = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        ready = server.stdout.readline()
        url = next(word for word in ready.split() if word.startswith("http://"))
        result = CliRunner().invoke(
            cli,
            ["rank", "--server", url.split("/v1")[0], "--request", str(request), "--json"],
            catch_exceptions=False,
        )
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0
    ranked = json.loads(result.stdout)
    assert len(ranked) == len(json.loads(request.read_text())["candidates"])
    scores = [row["score"] for row in ranked]
    assert scores == sorted(scores, reverse=True)


def test_runs_and_lineage_are_told(first, workspace):
    runs = CliRunner().invoke(cli, ["runs", str(workspace.folder), "--json"])
    assert json.loads(runs.stdout)[-1]["version"] == "1"
    lineage = CliRunner().invoke(cli, ["lineage", str(workspace.folder), "--json"])
    assert json.loads(lineage.stdout)["run"] == first.run_id


def test_too_many_dead_letters_stop_the_run_and_are_kept(folder):
    broken = folder / "broken"
    simulate(broken, IMPRESSIONS, seed=2, file_format="csv", broken=0.05)
    workspace = Workspace(folder / "broken-workspace")
    with pytest.raises(DeadLetterRatioError):
        run_local(write_tiny(folder)[1], workspace, broken)
    run = workspace.runs()[0]
    assert run.blessed is None
    assert list(run.uri("GaterankIngestReport").glob("*.parquet"))


def test_an_anomaly_stops_the_run_with_its_text(folder, logs):
    _, config = write_tiny(folder)
    features = {
        name: feature.model_copy(update={"min_presence": 1.0})
        for name, feature in config.features.items()
    }
    features["curiosity"] = features["daily_minutes"].model_copy(update={"column": "curiosity"})
    strict = config.model_copy(update={"features": features})
    with pytest.raises(DataAnomalyError, match="curiosity"):
        run_local(strict, Workspace(folder / "anomaly-workspace"), logs)


def test_two_runs_do_not_share_a_workspace(folder, logs, workspace):
    with workspace.locked(), pytest.raises(InputError, match="another run"):
        run_local(write_tiny(folder)[1], workspace, logs)
