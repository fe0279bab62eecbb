"""A loss that is not finite stops the training, and the message says what is at fault."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from resumed_runs import make_config, run

from trainer.checkpoints.folder import CheckpointFolder
from trainer.checkpoints.progress import Position
from trainer.dataset import Batches, read_batches
from trainer.divergence import FiniteWatch
from trainer.train import make_ready
from transforms.errors import DivergedError


def break_column(source: Path, target: Path, split: str, column: str, value: float) -> None:
    """Writes the transformed examples again; the 1234th of a split has another value."""
    target.mkdir()
    for path in source.glob("*.gz"):
        if not path.name.startswith(split):
            shutil.copy(path, target)
            continue
        records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
        example = tf.train.Example.FromString(records[len(records) // 2])
        example.features.feature[column].float_list.value[:] = [value]
        records[len(records) // 2] = example.SerializeToString()
        with tf.io.TFRecordWriter(str(target / path.name), "GZIP") as writer:
            for record in records:
                writer.write(record)


def run_broken(transformed, trained, column: str) -> tuple[int, str, CheckpointFolder]:
    """The step that has the value that is no number, the message, and the checkpoints."""
    source, broken = transformed / "transform", transformed / f"broken_{column}"
    break_column(source, broken, "train", column, float("nan"))
    config, files = make_config(3), [str(broken / "train-*")]
    batches = Batches(files, trained.transform, 250, shuffle_seed=config.training.seed)
    is_broken = [np.isnan(batch[column]).any() for batch in batches.epoch(0).as_numpy_iterator()]
    folder = CheckpointFolder(transformed / "diverged", column, 2)
    with pytest.raises(DivergedError) as failure:
        run(transformed, folder, config, broken.name)
    assert failure.value.exit_code == 9
    return is_broken.index(True) + 1, str(failure.value), folder


def test_the_step_the_task_and_the_column_are_said(transformed, trained):
    step, message, folder = run_broken(transformed, trained, "label_watch")
    # The mean of the label, which its output begins with, is no number either.
    assert message.startswith(
        "training: the loss is not finite at epoch 1, step 1. Tasks: watch. Columns with values "
        f"that are not finite: label_watch (1 of 250) in step {step}. There is no checkpoint"
    )
    assert folder.positions() == []


def test_a_fault_that_a_relu_may_hide_is_in_no_checkpoint_and_the_last_good_one_kept(
    transformed, trained
):
    step, message, folder = run_broken(transformed, trained, "age")
    # Whether the ReLU of what is no number is 0 depends on the processor.
    assert message.startswith(
        ("training: weights are not finite after ", "training: the loss is not finite at ")
    )
    assert "epoch 1, step " in message
    assert "Tasks: click, watch. " in message
    assert f"values that are not finite: age (1 of 250) in step {step}. " in message
    newest = Position(0, (step - 1) // 3 * 3)
    assert newest.step > 0 and folder.positions()[0] == newest
    assert message.endswith(f"The checkpoint of {newest} is kept: {folder.file(newest)}")
    weights = [a for name, a in np.load(folder.file(newest)).items() if name.startswith("weight")]
    assert all(np.isfinite(weight).all() for weight in weights)


def test_a_learning_rate_that_is_too_high_is_said(transformed):
    config = make_config(optimizer="sgd", learning_rate=10.0, final_learning_rate=1.0)
    with pytest.raises(DivergedError) as failure:
        run(transformed, None, config)
    message = str(failure.value)
    assert "Tasks: " in message and "watch" in message
    assert "Columns: none; the weights overflowed, so lower `training.learning_rate`" in message
    assert message.endswith("There is no checkpoint")


def test_a_validation_that_is_not_finite_is_said(transformed):
    source, target = transformed / "transform", transformed / "broken_eval"
    break_column(source, target, "eval", "label_watch", float("inf"))
    with pytest.raises(DivergedError, match=r"validation loss .* after epoch 1\. Tasks: watch\. "):
        run(transformed, None, make_config(), "broken_eval")


@pytest.fixture
def watch(trained) -> FiniteWatch:
    config = trained.config.trainer_config("candidate")
    batches, validation = (
        Batches(trained.files[split], trained.transform, 250) for split in ("train", "eval")
    )
    means = batches.mean_labels(config.tasks)
    return FiniteWatch(make_ready(config, trained.transform, batches, means), batches, validation)


def test_weights_that_are_not_finite_are_in_no_checkpoint(watch):
    watch.check_weights(Position(0, 1))
    table = watch._ranker.position.table.embeddings
    table.assign(tf.fill(table.shape, float("inf")))
    with pytest.raises(DivergedError, match=r"after epoch 1, step 2: .*position/table"):
        watch.check_weights(Position(0, 2))


def test_a_finite_loss_costs_no_look_at_the_data(watch, monkeypatch):
    monkeypatch.setattr(Batches, "epoch", lambda *_: pytest.fail("the data was read"))
    watch.check_loss(1.5, Position(0, 1))
    watch.check_validation(1.5, 0, watch._ranker)


def test_the_task_whose_loss_is_not_finite_is_found_among_others(trained):
    batch = dict(next(iter(read_batches(trained.files["train"], trained.transform, 64))))
    batch["label_watch"] = tf.fill([64], float("inf"))
    objectives = trained.ranker.objectives
    objectives.total.reset_state()
    trained.ranker.compute_loss(batch)
    assert objectives.total.not_finite() == ["watch"]
    objectives.total.reset_state()
