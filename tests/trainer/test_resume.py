"""A training that is interrupted again and again ends as if it had not been."""

import logging
import os
import shutil
import signal
from typing import Any, NamedTuple

import numpy as np
import pytest
from resumed_runs import (
    EPOCHS,
    OF_THE_RUN,
    STEPS,
    Killed,
    make_config,
    run,
    same_weights,
    stop_at,
)

from trainer.checkpoints.checkpointer import Checkpointer
from trainer.checkpoints.folder import CheckpointFolder, remove_finished
from trainer.checkpoints.progress import Position
from transforms.errors import InputError, PreemptedError


class Ended(NamedTuple):
    """What a training ended with, what was said and left on the way, SIGTERM's handlers."""

    weights: list[np.ndarray]
    record: dict[str, Any]
    logged: list[str]
    left: list[list[Position]]
    folder: CheckpointFolder
    handlers: tuple[Any, Any] = (None, None)


def die() -> None:
    raise Killed


def ask_to_leave() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def whole(transformed) -> Ended:
    """Never interrupted, without checkpoints."""
    ranker, record = run(transformed, None)
    return Ended(ranker.get_weights(), record, [], [], CheckpointFolder(transformed, "none", 2))


@pytest.fixture(scope="module")
def interrupted(transformed) -> Ended:
    """Killed before it narrows and after, broken on disk, and asked to leave in a validation."""
    folder = CheckpointFolder(transformed / "checkpoints", "interrupted", 2)
    lines, left, before = [], [], signal.getsignal(signal.SIGTERM)
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("gaterank.train")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    with pytest.MonkeyPatch.context() as patch:
        for calls, act, ends in ((8, die, Killed), (15, die, Killed), (5, ask_to_leave, None)):
            patch.setattr(Checkpointer, "after_step", stop_at(calls, act))
            with pytest.raises(ends or PreemptedError):
                run(transformed, folder)
            patch.undo()
            left.append(folder.positions())
            if calls == 15:
                newest = folder.file(left[-1][0])
                os.truncate(newest, newest.stat().st_size - 1000)
        ranker, record = run(transformed, folder)
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    handlers = before, signal.getsignal(signal.SIGTERM)
    return Ended(ranker.get_weights(), record, lines, left, folder, handlers)


def test_the_weights_are_those_of_an_uninterrupted_training_bit_for_bit(whole, interrupted):
    assert same_weights(whole.weights, interrupted.weights)


def test_the_record_is_the_same_and_says_where_it_went_on(whole, interrupted):
    for name, value in whole.record.items():
        if name not in OF_THE_RUN:
            assert interrupted.record[name] == value, name
    assert [epoch["epoch"] for epoch in interrupted.record["epochs"]] == [1, 2, 3, 4]
    assert whole.record["resumed"] == []
    assert interrupted.record["resumed"] == [
        {"epoch": 1, "step": 6},
        {"epoch": 2, "step": 6},
        {"epoch": 2, "step": 10},
    ]


def test_training_narrows_at_the_same_step_and_stays_so(whole, interrupted):
    one, other = (ended.record["union_training"] for ended in (whole, interrupted))
    assert 8 < one["step"] < 15, "between the first kill and the second"
    assert (other["step"], other["experts"]) == (one["step"], one["experts"])
    assert one["experts"] < 4


def test_the_newest_checkpoints_are_kept_and_no_more(interrupted):
    assert interrupted.left[0] == [(0, 6), (0, 3)]
    assert interrupted.left[1] == [(1, 9), (1, 6)]
    assert all(len(positions) == 2 for positions in interrupted.left)


def test_a_broken_checkpoint_is_removed_with_a_warning_and_the_one_before_taken(interrupted):
    (warning,) = [line for line in interrupted.logged if "no whole checkpoint" in line]
    assert "epoch-00001-step-000000000009.npz" in warning
    assert "goes on from epoch 2, step 6" in interrupted.logged


def test_sigterm_in_a_validation_saves_what_was_trained(interrupted):
    assert interrupted.left[2][0] == (1, STEPS)


def test_sigterm_is_left_as_it_was(interrupted):
    assert interrupted.handlers[0] == interrupted.handlers[1]


def test_what_is_over_is_not_trained_again(transformed, interrupted, monkeypatch):
    assert interrupted.folder.positions()[0] == (EPOCHS, 0)
    monkeypatch.setattr(Checkpointer, "after_step", stop_at(1, die))
    ranker, record = run(transformed, interrupted.folder)
    assert same_weights(interrupted.weights, ranker.get_weights())
    assert record["epochs"] == interrupted.record["epochs"]


def test_a_checkpoint_of_another_training_is_refused(transformed, interrupted, tmp_path):
    other = CheckpointFolder(tmp_path, "other", 2)
    other.path.mkdir()
    shutil.copy(interrupted.folder.file(Position(EPOCHS)), other.path)
    with pytest.raises(InputError, match="must be a checkpoint of this training, other"):
        run(transformed, other)


def test_a_checkpoint_of_other_shapes_is_not_taken(transformed, interrupted, tmp_path, caplog):
    other = CheckpointFolder(tmp_path, "interrupted", 2)
    other.path.mkdir()
    shutil.copy(interrupted.folder.file(Position(EPOCHS)), other.path)
    config = make_config()
    model = config.model.model_copy(update={"expert_units": (9,)})
    short = config.training.model_copy(update={"max_epochs": 1})
    changed = config.model_copy(update={"model": model, "training": short})
    with caplog.at_level(logging.WARNING, "gaterank.train"):
        _, record = run(transformed, other, changed)
    assert "must be ArraySpec(shape=(4, " in caplog.text
    assert record["resumed"] == []


def test_a_finished_training_leaves_nothing(interrupted):
    remove_finished(interrupted.folder.place)
    assert interrupted.folder.path.is_dir()
    interrupted.folder.finish()
    remove_finished(interrupted.folder.place)
    assert not interrupted.folder.place.exists()
