"""Runs that are killed or meet a full disk: nothing half is served, the next run goes on.

One workspace and four runs of the command line as processes of their own: killed while a
model is trained, out of room while it is saved, killed between copying and showing the
pushed version, and at last left alone.
"""

import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from pipeline.workspace import Workspace
from serving.bulk_scoring.scorer import ExampleScorer
from tests.pipeline.tiny import IMPRESSIONS, ROOT, tiny_document, write_tiny
from transforms.simulator.simulate import simulate

pytestmark = pytest.mark.slow

MAIN = "from pipeline.cli.main import main; main()"
KILLED_BEFORE_RENAME = f"""
import os, pathlib, signal
rename = pathlib.Path.rename
def rename_or_die(self, target):
    if self.name == ".incoming":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.rename = rename_or_die
{MAIN}
"""
# More than the largest file before the first SavedModel, less than that.
MAX_FILE_BYTES = 700_000
COMPONENTS_BEFORE_TRAINERS = 7
SECONDS = 600


class Ended(NamedTuple):
    """A run's exit code, what it printed, and what it left in the served folder."""

    code: int
    output: str
    served: list[str]

    def unchanged(self) -> list[str]:
        """The components that were not run again."""
        return re.findall(r"\] (\w+): unchanged", self.output)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("interrupted") / "workspace")


@pytest.fixture(scope="module")
def run(workspace, tmp_path_factory) -> Callable[..., Ended]:
    """Runs the pipeline as a process; kills it -9 at the first line that holds a mark.

    Nobody shares in these logs, and the preset allows it.
    """
    folder = tmp_path_factory.mktemp("inputs")
    simulate(folder / "logs", IMPRESSIONS, seed=1)
    for path in (folder / "logs" / "feedback").rglob("*.parquet"):
        rows = pq.read_table(path)
        pq.write_table(rows.filter(pc.not_equal(rows["event"], "share")), path)
    tasks = tiny_document()["tasks"]
    tasks["share"]["label"]["may_be_absent"] = True
    preset, config = write_tiny(folder, tasks=tasks)
    served = workspace.places(config.name, "").served

    def start(program: str = MAIN, kill_at: str | None = None, max_bytes: int = -1) -> Ended:
        command = ["run", str(preset), "--workspace", str(workspace.folder)]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *command, "--logs", str(folder / "logs")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes)),
        )
        alarm = threading.Timer(SECONDS, process.kill)
        alarm.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if kill_at is not None and kill_at in line:
                process.kill()
        alarm.cancel()
        names = sorted(path.name for path in served.iterdir()) if served.is_dir() else []
        return Ended(process.wait(), "".join(lines), names)

    return start


@pytest.fixture(scope="module")
def killed_in_training(run) -> Ended:
    return run(kill_at="epoch 2:")


@pytest.fixture(scope="module")
def out_of_room(run, killed_in_training) -> Ended:
    return run(max_bytes=MAX_FILE_BYTES)


@pytest.fixture(scope="module")
def killed_in_the_push(run, out_of_room) -> Ended:
    return run(KILLED_BEFORE_RENAME)


@pytest.fixture(scope="module")
def finished(run, killed_in_the_push) -> Ended:
    return run()


def test_a_task_without_positives_warns_and_the_run_goes_on(killed_in_training):
    warning = f"warning: tasks.share: no label of {IMPRESSIONS} is above 0"
    assert warning in killed_in_training.output


def test_a_run_killed_while_a_model_is_trained_serves_nothing(killed_in_training):
    assert killed_in_training.code == -signal.SIGKILL
    assert "[8/14] BaselineTrainer ..." in killed_in_training.output
    assert killed_in_training.served == []


def test_a_killed_run_is_listed_and_does_not_hold_the_workspace(killed_in_training, workspace):
    (run,) = workspace.runs()
    assert run.blessed is None
    with workspace.locked():
        pass


def test_a_full_disk_is_one_message_and_serves_nothing(out_of_room, workspace):
    assert out_of_room.code == 1
    assert "Traceback" not in out_of_room.output
    last = out_of_room.output.splitlines()[-1]
    assert last.startswith(f"error: {workspace.folder}: cannot be written: No space left on device")
    assert out_of_room.output.count("error:") == 1
    assert out_of_room.served == []
    log = max(workspace.folder.glob("logs/run-*.log"))
    assert "Traceback" in log.read_text(), "the log has the details"


def test_the_next_run_takes_what_was_finished_from_the_cache(out_of_room, killed_in_the_push):
    assert len(out_of_room.unchanged()) == COMPONENTS_BEFORE_TRAINERS
    assert out_of_room.unchanged() == killed_in_the_push.unchanged()


def test_the_training_that_was_killed_goes_on(out_of_room):
    assert "goes on from epoch " in out_of_room.output
    assert "epoch 1:" not in out_of_room.output.split("goes on from epoch ")[1].split(" ...")[0]


def test_a_run_killed_in_the_push_serves_nothing(killed_in_the_push):
    assert killed_in_the_push.code == -signal.SIGKILL
    assert "Pusher ..." in killed_in_the_push.output.splitlines()[-1]
    assert killed_in_the_push.served == [".incoming"]


def test_the_run_after_that_pushes_one_whole_version(finished, workspace):
    assert finished.code == 0
    assert finished.served == ["1"]
    assert not {"Pusher", "ReportGates"} & set(finished.unchanged())
    assert len(finished.unchanged()) == 12
    assert not list(workspace.folder.glob("checkpoints/*")), "nothing is left of them"
    newest = workspace.runs()[0]
    assert newest.pushed_version == "1"
    scorer = ExampleScorer(workspace.places(newest.ranker, "").served)
    predictions = scorer(tf.constant([b""]))
    assert np.isfinite(predictions["share"]).all()
    assert np.isfinite(predictions["score"]).all()
