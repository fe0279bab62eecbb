"""The main job on a tiny preset: logs in; a pushed ranker, a report and a ranking out."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import yaml
from click.testing import CliRunner
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from pipeline.cli.demo import sample_request
from pipeline.cli.main import cli
from pipeline.local_runner import run_local
from pipeline.workspace import Run, Workspace
from serving.client import Ranker, StatusError
from serving.server import ServerOptions, running_server
from serving.server.request_log.options import RequestLogOptions
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
    counts = first.document("gaterank.IngestReport", "counts.json")
    rows = counts["impressions"]
    assert rows["read"] == rows["examples"] + rows["duplicates"] + rows["dead"]
    assert sum(counts["splits"].values()) == rows["examples"]


def test_the_report_says_what_happened(first):
    page = (first.uri("gaterank.GateReport") / "report.html").read_text()
    for word in ("click", "survey", "Blessed", "heatmap"):
        assert word.lower() in page.lower()
    inputs = first.document("gaterank.GateReport", "inputs.json")
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
    assert newest.uri("gaterank.GateReport") != first.uri("gaterank.GateReport")
    assert [p.name for p in model_dir(first, workspace, logs).iterdir()] == ["1"]


def test_bulk_scoring_gives_one_row_an_impression(first, folder, logs, workspace):
    out = folder / "scores.parquet"
    path, config = write_tiny(folder)
    served = model_dir(first, workspace, logs)
    command = ["score", str(served), str(path), "--logs", str(logs), "--out", str(out)]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == 0
    table = pq.read_table(out)
    examples = first.document("gaterank.IngestReport", "counts.json")["impressions"]["examples"]
    assert table.num_rows == examples
    for name in config.tasks:
        assert np.isfinite(table[f"prediction_{name}"].to_numpy()).all()
    assert table["label_survey"].null_count > 0, "an impression without an answer has no label"
    assert table["label_click"].null_count == 0


def test_a_run_scores_its_own_examples_on_request(first, folder, logs, workspace, capfd):
    asked = write_tiny(folder, bulk_inference={"splits": ["train", "eval"]})[1]
    run = run_local(asked, workspace, logs)
    shown = capfd.readouterr().err
    assert len(re.findall(r"BulkInferrer *: (?!unchanged)", shown)) == 1, shown
    assert run.uri("Model") == first.uri("Model")
    counts = first.document("gaterank.IngestReport", "counts.json")["splits"]
    for split, examples in counts.items():
        scores = pq.read_table(run.uri("InferenceResult") / f"Split-{split}")
        assert scores.num_rows == examples
        assert np.isfinite(scores["score"].to_numpy()).all()


def test_scoring_with_the_yaml_of_another_model_is_refused(first, folder, logs, workspace):
    path, config = write_tiny(folder)
    document = config.model_dump(mode="json")
    del document["features"]["segment"]
    path.write_text(yaml.safe_dump(document))
    served = model_dir(first, workspace, logs)
    command = ["score", str(served), str(path), "--logs", str(logs), "--out", str(folder / "no")]
    result = CliRunner().invoke(cli, command)
    assert isinstance(result.exception, InputError)
    assert "must read no features but the YAML's. Received: ['segment']" in str(result.exception)
    assert not (folder / "no").exists()


@pytest.fixture(scope="module")
def server(first, workspace, logs) -> Iterator[tuple[str, str]]:
    """The command line's server of the pushed model: its addresses for REST and gRPC."""
    served = model_dir(first, workspace, logs)
    command = [sys.executable, "-m", "pipeline.cli.main", "serve", str(served)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        ready = re.search(r"(http://[\d.:]+)/v1\S* gRPC on (\S+)", process.stdout.readline())
        yield ready[1], ready[2]
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.fixture
def rank(server, tmp_path):
    """Ranks a request by the command line."""

    def run(request: dict[str, Any]) -> list[dict[str, Any]]:
        file = tmp_path / "request.json"
        file.write_text(json.dumps(request))
        command = ["rank", "--server", server[0], "--request", str(file), "--json"]
        result = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert result.exit_code == 0
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="module")
def request_document(folder, logs) -> dict[str, Any]:
    return sample_request(write_tiny(folder)[1], logs)


@pytest.mark.parametrize("size", [0, 1, 5, 10_000])
def test_requests_of_any_size_are_ranked(rank, request_document, size):
    known = request_document["candidates"]
    candidates = [{**known[n % len(known)], "item_id": n} for n in range(size)]
    ranked = rank({**request_document, "candidates": candidates})
    assert sorted(row["item_id"] for row in ranked) == list(range(size))
    scores = [row["score"] for row in ranked]
    assert scores == sorted(scores, reverse=True)
    # The same item may score a last digit apart, where a row ends a block of them or does not.
    assert len({f"{score:.4f}" for score in scores}) == min(size, len(known))


def test_what_was_served_comes_back_as_the_same_features(
    first, folder, logs, workspace, request_document
):
    served = model_dir(first, workspace, logs)
    written = RequestLogOptions(folder / "written")
    options = ServerOptions(model_dir=served, port=0, grpc_port=0, request_log=written)
    user = request_document["user"] | {"user_id": "u", "clicked": []}
    with (
        running_server(options) as running,
        Ranker(f"http://127.0.0.1:{running.port}", with_ids=True) as ranker,
    ):
        for n in range(3):
            about = request_document["context"] | {"request_id": f"r{n}"}
            ranker.rank(user, request_document["candidates"][n:], about)
    log = folder / "written" / "ranker"
    impressions = [pq.read_table(file) for file in log.glob("impressions/*/*.parquet")]
    rows = {(row["request_id"], row["item_id"]): row for t in impressions for row in t.to_pylist()}
    last = max(rows.values(), key=lambda row: row["timestamp"])
    keys = {name: last[name] for name in ("request_id", "item_id", "timestamp")}
    path, config = write_tiny(folder)
    events = {task.label.event for task in config.tasks.values()}
    feedback = [keys | {"event": event, "value": 1.0} for event in sorted(events)]
    pq.write_table(pa.Table.from_pylist(feedback), log / "feedback.parquet")
    out = folder / "again.parquet"
    command = ["score", str(served), str(path), "--logs", str(log), "--out", str(out)]
    assert CliRunner().invoke(cli, command, catch_exceptions=False).exit_code == 0
    again = pq.read_table(out).to_pylist()
    assert len(again) == len(rows)
    # The others were not shown first, which the log says and scoring takes into account.
    on_top = [row for row in again if rows[row["request_id"], row["item_id"]]["position"] == 1]
    assert len(on_top) == 3
    for row in on_top:
        before = rows[row["request_id"], row["item_id"]]
        for name in [f"prediction_{task}" for task in config.tasks]:
            assert row[name] == pytest.approx(before[name], abs=1e-5)


def test_what_was_served_is_watched_by_what_its_run_knew(
    first, folder, logs, workspace, request_document
):
    written = RequestLogOptions(folder / "watched")
    served = model_dir(first, workspace, logs)
    options = ServerOptions(model_dir=served, port=0, grpc_port=None, request_log=written)
    with (
        running_server(options) as running,
        Ranker(f"http://127.0.0.1:{running.port}", with_ids=True) as ranker,
    ):
        for n in range(30):
            user = request_document["user"] | {"user_id": f"u{n}", "clicked": ["news"]}
            about = request_document["context"] | {"request_id": f"r{n}"}
            ranker.rank(user, request_document["candidates"], about)
    log = folder / "watched" / "ranker"
    impressions = pa.concat_tables(map(pq.read_table, log.glob("impressions/*/*.parquet")))
    shown = [row for row in impressions.to_pylist() if row["position"] == 1]
    keys = [{name: row[name] for name in ("request_id", "item_id", "timestamp")} for row in shown]
    clicks = [key | {"event": "click", "value": 1.0} for key in keys[::2]]
    # Of a day ago, so that clicks have had their hour: also what was shown, a day earlier.
    day = timedelta(days=1)
    for file in list(log.glob("impressions/*/*.parquet")):
        table = pq.read_table(file)
        earlier = pa.array([time - day for time in table["timestamp"].to_pylist()])
        moved = table.set_column(table.schema.get_field_index("timestamp"), "timestamp", earlier)
        date = (datetime.fromisoformat(file.parent.name) - day).date().isoformat()
        (log / "impressions" / date).mkdir(exist_ok=True)
        pq.write_table(moved, log / "impressions" / date / file.name)
        file.unlink()
    hours = {name: timedelta(hours=number) - day for name, number in (("click", 1), ("like", 3))}
    clicks.append(keys[0] | {"event": "like", "value": 1.0})
    rows = [one | {"timestamp": one["timestamp"] + hours[one["event"]]} for one in clicks]
    pq.write_table(pa.Table.from_pylist(rows), log / "feedback.parquet")
    last = max(path.name for path in log.glob("impressions/*") if any(path.iterdir()))
    command = ["monitor", str(write_tiny(folder)[0]), "--workspace", str(workspace.folder)]
    places = ["--requests", str(log), "--logs", str(log), "--day", last, "--days", "2", "--json"]
    result = CliRunner().invoke(cli, [*command, *places], catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["counts"]["impressions"]["examples"] == impressions.num_rows
    (version,) = found["versions"].values()
    assert version["run_id"] == first.run_id
    skew = {one["feature"]: one for one in found["distances"] if one["kind"] == "skew"}
    assert set(skew) == set(write_tiny(folder)[1].features)
    assert skew["segment"]["value"] > 0.3, "all users are of one segment, in few rows"
    click = next(task for task in found["tasks"] if task["task"] == "click")
    assert (click["examples"], click["positives"]) == (len(shown), len(clicks) - 1)
    assert click["metrics"]["auc"]["training"]["value"] is not None
    survey = next(task for task in found["tasks"] if task["task"] == "survey")
    assert survey["waiting"] == impressions.num_rows, "its window is two days"
    page = workspace.monitored(first.ranker) / last / "monitor.html"
    said = CliRunner().invoke(cli, ["report", str(workspace.folder)]).stdout.splitlines()
    assert said[-1] == str(page)
    text = page.read_text()
    assert "– too few rows" in text and "✕ far" not in text
    link = re.search(r'href="([^"#]+)">Report of version 1<', text)[1]
    assert (page.parent / link).resolve() == first.uri("gaterank.GateReport") / "report.html"


def test_what_training_never_saw_is_ranked(rank, request_document):
    candidates = [
        {"item_id": "new", "category": "unheard of", "tags": ["never", "seen"]},
        {"item_id": "bare"},
        {"item_id": "null", "category": None, "duration_seconds": None, "tags": None},
        {"item_id": "huge", "duration_seconds": 3e38, "tags": ["x"] * 1000},
        request_document["candidates"][0],
    ]
    strangers = {"user": {"user_id": "new", "segment": "martian"}, "context": {"device": "abacus"}}
    for owner in ({}, strangers):
        ranked = rank({**owner, "candidates": candidates})
        assert len(ranked) == len(candidates)
        values = [[row["score"], *row["predictions"].values()] for row in ranked]
        assert np.isfinite(values).all()
        scores = {row["item_id"]: row["score"] for row in ranked}
        assert scores["bare"] == scores["null"]


def columns(size: int) -> dict[str, np.ndarray]:
    """Columns of the signature `rank` for so many candidates."""
    return {
        "segment": np.array(["student"], object),
        "daily_minutes": np.array([30], np.float32),
        "clicked": np.array([["news", "", "never seen", "", ""]], object),
        "device": np.array(["tv"], object),
        "category": np.array(["news"] * size, object),
        "duration_seconds": np.full(size, 60, np.float32),
        "tags": np.full((size, 3), "", object),
    }


@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_the_server_itself_ranks_any_number_of_columns(server, size):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "ranker", "rank"
    for name, column in columns(size).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(column))
    with grpc.insecure_channel(server[1]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        outputs = stub.Predict(request, timeout=30).outputs
    scores = tf.make_ndarray(outputs["score"])
    assert scores.shape == (size,)
    if size:
        with Ranker(server[0]) as ranker:
            answer = ranker.predict(columns(size), signature="rank")
        np.testing.assert_allclose(answer["score"], scores, rtol=1e-6)


def test_bytes_that_are_no_example_are_refused_in_words(server):
    with Ranker(server[0]) as ranker:
        with pytest.raises(StatusError, match="Could not parse example input") as raised:
            ranker.predict({"examples": [b"\xff\xfe no example"]})
        assert raised.value.status_code == 400
        answer = ranker.predict({"examples": [b""]})
    assert np.isfinite(answer["score"]).all()


def test_runs_and_lineage_are_told(first, workspace):
    runs = CliRunner().invoke(cli, ["runs", str(workspace.folder), "--json"])
    assert json.loads(runs.stdout)[-1]["version"] == "1"
    lineage = CliRunner().invoke(cli, ["lineage", str(workspace.folder), "--json"])
    assert json.loads(lineage.stdout)["run"] == first.run_id


def test_too_many_dead_letters_stop_the_run_and_are_kept(folder):
    broken = folder / "broken"
    simulate(broken, IMPRESSIONS, seed=2, file_format="csv", broken=0.05)
    workspace = Workspace(folder / "broken-workspace")
    with pytest.raises(DeadLetterRatioError, match="Counts and refused rows: ") as error:
        run_local(write_tiny(folder)[1], workspace, broken)
    run = workspace.runs()[0]
    assert run.blessed is None
    assert str(error.value).endswith(str(run.uri("gaterank.IngestReport")))
    command = ["deadletters", str(workspace.folder), "--json", "--export", str(folder / "export")]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    reasons = json.loads(result.stdout)["reasons"]
    assert {"too_few_values", "too_many_values", "bad_timestamp"} <= set(reasons)
    assert list((folder / "export" / "impressions").rglob("*_repaired.csv"))


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
