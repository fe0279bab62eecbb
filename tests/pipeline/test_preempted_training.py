"""SIGTERM to `gaterank train`, alone and with two workers: it saves, leaves, and goes on later."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.config import load_config
from pipeline.stages import ingest_logs
from tests.pipeline.tiny import ROOT, tiny_document, write_tiny
from transforms.simulator.simulate import simulate

pytestmark = pytest.mark.slow

MAIN = "from pipeline.cli.main import main; main()"
SECONDS = 400
TWO_WORKERS = ("--workers", "2")


class Ended(NamedTuple):
    """A command's exit code, and what it printed."""

    code: int
    output: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A preset of so many epochs that SIGTERM comes in time, and its examples."""
    folder = tmp_path_factory.mktemp("preempted")
    simulate(folder / "logs", 3000, seed=1)
    training = tiny_document()["training"] | {"max_epochs": 40, "patience": 40}
    training |= {"checkpoint": {"every_epochs": None}}
    path, _ = write_tiny(folder, training=training)
    ingest_logs(load_config(path), folder / "logs", folder / "examples")
    return folder


def train(folder: Path, *flags: str, terminate: Callable[[str], bool] | None = None) -> Ended:
    """Runs `gaterank train`; sends it SIGTERM as soon as `terminate` says so of what it printed."""
    line = ["train", "tiny.yaml", "--examples", "examples", "--out", "model", *flags]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *line],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    alarm = threading.Timer(SECONDS, process.kill)
    alarm.start()
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout))
    reader.start()
    while terminate and process.poll() is None and not terminate("".join(lines)):
        time.sleep(0.02)
    if terminate:
        process.send_signal(signal.SIGTERM)
    code = process.wait()
    reader.join()
    alarm.cancel()
    return Ended(code, "".join(lines))


def test_sigterm_to_a_training_saves_and_the_same_command_goes_on(folder):
    ended = train(folder, terminate=lambda said: "epoch 2:" in said)
    assert ended.code == 8, ended.output
    assert "error: training: SIGTERM came. The checkpoint of epoch " in ended.output
    assert "Traceback" not in ended.output
    assert not (folder / "model").exists()
    again = train(folder, terminate=lambda said: "goes on from epoch " in said)
    assert again.code == 8, again.output
    assert "epoch 1:" not in again.output


def test_a_cluster_leaves_at_one_step_and_goes_on_from_it(folder):
    log = folder / "model-logs" / "worker-0.log"
    ended = train(
        folder,
        *TWO_WORKERS,
        terminate=lambda _: log.is_file() and "goes on from epoch " in log.read_text(),
    )
    assert ended.code == 8, ended.output
    assert "error: training: SIGTERM came. The checkpoint of epoch " in ended.output
    logs = [(folder / "model-logs" / f"worker-{i}.log").read_text() for i in range(2)]
    said = {text.rpartition("SIGTERM came. ")[2].splitlines()[0] for text in logs}
    assert len(said) == 1, "both have left at the same step"


@pytest.mark.long
def test_a_training_that_comes_to_its_end_leaves_no_checkpoints(folder):
    finished = train(folder)
    assert finished.code == 0, finished.output
    assert finished.output.count("interrupted, and went on from epoch") == 3
    assert "epoch 1:" not in finished.output and "epoch 40:" in finished.output
    assert sorted(path.name for path in folder.glob("model*")) == ["model", "model-logs"]
    assert (folder / "model" / "transform" / "transformed_metadata").is_dir()
