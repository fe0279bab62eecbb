"""What people see of a training while it runs: TensorBoard's log and a bar."""

import io
import sys

import numpy as np
import pytest
import tensorflow as tf
from resumed_runs import EPOCHS, make_config, run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer.board import draw_gates
from trainer.progress_bar import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_darkest_cell_is_the_largest_weight():
    picture = draw_gates(np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]], np.float32))
    cells = picture[8::16, 8::16].sum(axis=-1)  # [T, n]
    assert np.argsort(cells[0]).tolist() == [2, 1, 0]
    assert np.argmin(cells[1]) == 0


@pytest.fixture
def bar(monkeypatch):
    """A bar on a terminal, after 3 of 10 steps of the second of 4 epochs."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = ProgressBar(epochs=4, steps=10, batch_size=128)
    times = iter(np.arange(0.0, 3.0, 0.5))
    monkeypatch.setattr("trainer.step_clock.time.perf_counter", lambda: next(times))
    bar.on_epoch_begin(1)
    for step in range(3):
        bar.on_train_batch_begin(step)
        bar.on_train_batch_end(step)
    return bar


def test_a_bar_tells_the_speed_and_the_time_left(bar):
    (task,) = bar._progress.tasks
    assert task.description == "epoch 2/4"
    assert (task.completed, task.total) == (3, 10)
    # 2 steps a second, 27 steps are left of the three epochs that remain.
    assert task.fields["rate"] == "256 examples/s, 14 s left at most"
    bar.on_epoch_end(1)


def test_without_a_terminal_there_is_no_bar(monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    bar = ProgressBar(epochs=1, steps=1, batch_size=1)
    bar.on_epoch_begin(0)
    bar.on_train_batch_begin(0)
    bar.on_train_batch_end(0)
    bar.on_epoch_end(0)
    assert said.getvalue() == ""


@pytest.mark.slow
def test_tensorboard_gets_losses_gates_speed_and_a_profile(transformed, tmp_path):
    (tmp_path / "transform").symlink_to(transformed / "transform")
    run(tmp_path, None, make_config(profile=True))
    log = tmp_path / "record" / "tensorboard"
    written = [EventAccumulator(str(folder)).Reload() for folder in (log, log / "train")]
    board, losses = written
    assert "epoch_loss" in losses.Tags()["tensors"]
    assert "gate/click/expert_0" in board.Tags()["scalars"]
    tensors = {tag: board.Tensors(tag) for tag in board.Tags()["tensors"]}
    assert {"gate_weights/click", "gate_weights/watch"} <= tensors.keys()
    speeds = [tf.make_ndarray(speed.tensor_proto) for speed in tensors["examples_per_second"]]
    assert len(speeds) == EPOCHS
    assert min(speeds) > 0
    width, height, *_ = tf.make_ndarray(tensors["gates"][0].tensor_proto)
    assert (int(width), int(height)) == (16 * 4, 16 * 2)
    assert list(log.glob("**/plugins/profile/*/*.xplane.pb"))
