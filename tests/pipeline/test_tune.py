"""Tuning for real: processes, a kill, and TFX's Tuner in the pipeline."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.config import load_config
from pipeline.local_runner import run_local
from pipeline.stages import ingest_logs
from pipeline.workspace import Workspace
from tests.pipeline.tiny import IMPRESSIONS, ROOT, write_tiny
from transforms.simulator.simulate import simulate

pytestmark = pytest.mark.long

MAIN = "from pipeline.cli.main import main; main()"
# Without the YAML's two experts a task, so that what was found is told from what was given.
SPACE = {
    "training.learning_rate": {"min": 0.005, "max": 0.05, "scale": "log"},
    "gate.experts_per_task": {"values": [1, 3]},
}
SECONDS = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Logs, examples and a YAML whose gate is binary from the first step on, whatever it is."""
    folder = tmp_path_factory.mktemp("tune")
    simulate(folder / "logs", IMPRESSIONS, seed=1)
    tuning = {"trials": 2, "workers": 2, "max_epochs": 1, "space": SPACE, "in_pipeline": True}
    gate = {"kind": "dselect_k", "experts_per_task": 2, "initial_scale": 0.49, "beta": 0.02}
    gate |= {"entropy_weight": 10.0, "beta_steps": 5}
    _, config = write_tiny(folder, tuning=tuning, gate=gate)
    ingest_logs(config, folder / "logs", folder / "examples")
    return folder


@pytest.fixture(scope="module")
def command(folder) -> list[str]:
    options = ["--examples", str(folder / "examples"), "--out", str(folder / "out")]
    return [sys.executable, "-c", MAIN, "tune", str(folder / "tiny.yaml"), *options]


@pytest.fixture(scope="module")
def killed(folder, command) -> dict[Path, bytes]:
    """Killed -9 when the candidate's trials have ended; the results that were there."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + SECONDS
    while len(list((folder / "out").glob("candidate/trial_*/result.json"))) < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return {path: path.read_bytes() for path in (folder / "out").glob("*/trial_*/result.json")}


@pytest.fixture(scope="module")
def finished(killed, command) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def test_the_same_command_goes_on_and_runs_nothing_twice(finished, killed, folder):
    assert finished.returncode == 0, finished.stderr
    assert "candidate: 2 trials have ended earlier" in finished.stderr
    assert finished.stderr.count("baseline trial ") == 2
    for path, content in killed.items():
        assert path.read_bytes() == content
    results = [json.loads(p.read_text()) for p in (folder / "out").glob("*/trial_*/result.json")]
    assert [result["state"] for result in results] == ["completed"] * 4
    assert all(0.3 < result["objective"] < 1 for result in results)


def test_no_process_of_a_trial_is_left(finished, folder):
    listed = subprocess.run(["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True)
    assert str(folder / "out") not in listed.stdout


def test_a_trial_leaves_no_checkpoints(finished, folder):
    assert not list((folder / "out").rglob("*.npz"))


def test_a_trial_whose_loss_is_no_number_has_diverged_and_not_failed(finished, folder, tmp_path):
    job = json.loads((folder / "out" / "candidate" / "trial_0" / "job.json").read_text())
    job["config"]["training"] |= {"optimizer": "sgd", "learning_rate": 10.0, "max_epochs": 3}
    (tmp_path / "job.json").write_text(json.dumps(job | {"folder": str(tmp_path)}))
    command = [sys.executable, "-m", "trainer.tuning.trial", str(tmp_path / "job.json")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["state"], result["objective"]) == ("diverged", None)
    assert result["message"]


def test_best_yaml_is_taken_by_validate(finished, folder):
    best = folder / "out" / "best.yaml"
    assert f"best values: {best}" in finished.stdout
    document = json.loads((folder / "out" / "trials.json").read_text())
    number = document["best"]["candidate"]
    values = document["trials"]["candidate"][number]["values"]
    config = load_config(best)
    assert config.training.learning_rate == values["training.learning_rate"]
    assert config.tuning.in_pipeline is False
    for name in ("trials.csv", "trials.png"):
        assert (folder / "out" / name).stat().st_size > 0


def test_the_pipeline_trains_with_what_tfx_tuner_found(folder, capfd):
    path = folder / "tiny.yaml"
    workspace = Workspace(folder / "workspace")
    run = run_local(load_config(path), workspace, folder / "logs")
    shown = capfd.readouterr().err
    assert "CandidateTuner" in shown and "BaselineTuner" in shown
    assert shown.count("trial 0: ") == shown.count("trial 1: ") == 2
    found = sorted((folder / "workspace").rglob("best_hyperparameters.txt"))
    assert len(found) == 2
    values = [json.loads(one.read_text())["values"] for one in found]
    assert all(set(one) == set(SPACE) for one in values)
    inputs = run.document("gaterank.GateReport", "inputs.json")
    used = [inputs[role]["gate"]["experts_per_task"] for role in ("candidate", "baseline")]
    assert sorted(used) == sorted(one["gate.experts_per_task"] for one in values)
    second = run_local(load_config(path), workspace, folder / "logs")
    assert "CandidateTuner: unchanged" in capfd.readouterr().err
    assert second.uri("Model") == run.uri("Model")
