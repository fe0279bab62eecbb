"""What is watched while a ranker trains: gate weights, when to stop, a line an epoch."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import summary_pb2

from trainer.checkpoints.progress import Figures, StopState, TrajectoryState
from trainer.model.ranker import Ranker

_MAX_RECORDS = 400
_LOG = logging.getLogger("gaterank.train")


class GateTrajectory(tf.keras.callbacks.Callback):
    """Records static gates' weights over the steps, at most `_MAX_RECORDS` times.

    When the record is full every second entry is dropped and the stride doubles, so a run
    of any length leaves a record of the same size. TensorBoard gets every entry.

    Args:
        folder: of the TensorBoard log; None for none.
    """

    def __init__(self, folder: Path | None) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.weights: list[np.ndarray] = []
        self.step = 0
        self._stride = 1
        self._writer = (
            tf.summary.create_file_writer(str(folder))
            if folder is not None
            else tf.summary.create_noop_writer()
        )

    def snapshot(self) -> TrajectoryState:
        """For a checkpoint, which has `weights` besides."""
        steps = tuple(self.steps)
        return TrajectoryState(steps=steps, step=self.step, stride=self._stride)

    def restore(self, state: TrajectoryState, weights: Sequence[np.ndarray]) -> None:
        """Goes on from a checkpoint; TensorBoard gets what it would have by now."""
        self.steps, self.weights = list(state.steps), list(weights)
        self.step, self._stride = state.step, state.stride
        for step, recorded in zip(self.steps, self.weights, strict=True):
            self._show(step, recorded)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Records the gate as it starts."""
        if not self.steps:
            self._record()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the gate after each `stride` steps."""
        self.step += 1
        if self.step % self._stride == 0:
            self._record()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the TensorBoard log."""
        self._writer.close()

    def _record(self) -> None:
        model: Ranker = self.model
        if model.gate.per_example:
            return
        weights = model.gate.static_weights().numpy()
        self.steps.append(self.step)
        self.weights.append(weights)
        self._show(self.step, weights)
        if len(self.steps) > _MAX_RECORDS:
            self.steps, self.weights = self.steps[::2], self.weights[::2]
            self._stride *= 2

    def _show(self, step: int, weights: np.ndarray) -> None:
        with self._writer.as_default(step=step):
            tf.summary.experimental.write_raw_pb(_make_summary(self.model.tasks, weights))


def _make_summary(tasks: Sequence[str], weights: np.ndarray) -> bytes:
    """All weights in one event: a call a scalar would take longer than a training step."""
    summary = summary_pb2.Summary()
    for task, row in zip(tasks, weights, strict=True):
        for expert, weight in enumerate(row):
            summary.value.add(tag=f"gate/{task}/expert_{expert}", simple_value=weight)
    return bytes(summary.SerializeToString())


class StopAtBest(tf.keras.callbacks.Callback):
    """Stops when the validation loss improves no more, and goes back to the best weights.

    A gate that becomes binary is judged from the epoch on in which it has: what is served
    must be what was measured, with its experts decided. A gate that never becomes binary
    goes back to the best epoch of all. One that will become binary gets the time it takes.

    Args:
        patience: epochs without a better loss until training stops.

    Attributes:
        epochs: the figures of each.
        best_epoch: from 1.
        weights: of that epoch.
    """

    def __init__(self, patience: int) -> None:
        super().__init__()
        self.patience = patience
        self.best_epoch = 0
        self.epochs: list[Figures] = []
        self.weights: list[np.ndarray] = []
        self._best: tuple[bool, float] | None = None

    def snapshot(self) -> StopState:
        """For a checkpoint, which has `weights` besides."""
        epochs = tuple(self.epochs)
        return StopState(epochs=epochs, best_epoch=self.best_epoch, best=self._best)

    def restore(self, state: StopState, weights: Sequence[np.ndarray]) -> None:
        """Goes on from a checkpoint."""
        self.epochs, self.weights = list(state.epochs), list(weights)
        self.best_epoch, self._best = state.best_epoch, state.best

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keeps the weights if they are the best, and stops after `patience` epochs."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        converged = bool(tf.reduce_all(self.model.gate.converged()))
        self.epochs.append({"epoch": epoch + 1, "converged": converged, **figures})
        # A binary gate goes before any that is not; among equals the lower loss.
        rank = (not converged, figures["val_loss"])
        if self._best is None or rank < self._best:
            self._best, self.best_epoch = rank, epoch + 1
            self.weights = self.model.get_weights()
        elif converged or not self.model.gate.will_converge:
            self.model.stop_training = epoch + 1 - self.best_epoch >= self.patience
        _LOG.info(
            "epoch %d: loss %.4f, validation loss %.4f%s",
            epoch + 1,
            figures["loss"],
            figures["val_loss"],
            ", gates binary" if converged else "",
        )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Goes back to the best weights."""
        self.model.set_weights(self.weights)
