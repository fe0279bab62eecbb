"""What TensorBoard shows of a training beside losses and metrics: its gates and its speed."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.step_clock import StepClock

_CELL = 16
_GROUND, _INK = np.array([247, 251, 255]), np.array([8, 48, 107])
_PROFILED_STEPS = (10, 20)


def make_board(
    folder: Path | None, batch_size: int, profile: bool
) -> list[tf.keras.callbacks.Callback]:
    """The callbacks that write a TensorBoard log.

    Args:
        folder: of the log; None for none.
        batch_size: examples a step.
        profile: whether some steps are profiled.
    """
    if folder is None:
        return []
    steps = _PROFILED_STEPS if profile else 0
    keras = tf.keras.callbacks.TensorBoard(folder, write_graph=False, profile_batch=steps)
    return [keras, GateBoard(folder, batch_size)]


class GateBoard(StepClock):
    """After each epoch: static gates as a picture and as histograms, and the examples a second.

    Args:
        folder: of the log.
        batch_size: examples a step.
    """

    def __init__(self, folder: Path, batch_size: int) -> None:
        super().__init__()
        self._writer = tf.summary.create_file_writer(str(folder))
        self._batch_size = batch_size
        self._seconds, self._steps = 0.0, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the step."""
        super().on_train_batch_end(batch, logs)
        self._seconds += self.took
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes what the epoch came to."""
        gate = self.model.gate
        with self._writer.as_default(step=epoch):
            if self._steps:
                rate = self._steps * self._batch_size / self._seconds
                tf.summary.scalar("examples_per_second", rate)
            if not gate.per_example:
                weights = gate.static_weights().numpy()
                tf.summary.image("gates", draw_gates(weights)[np.newaxis])
                for task, row in zip(self.model.tasks, weights, strict=True):
                    tf.summary.histogram(f"gate_weights/{task}", row)
        self._seconds, self._steps = 0.0, 0

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the log."""
        self._writer.close()


def draw_gates(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """A picture of gates: a row a task, a column an expert, the darker the larger the weight.

    Args:
        weights: in [0, 1], [T, n].

    Returns:
        Red, green and blue, [16 T, 16 n, 3].

    Example:
        >>> picture = draw_gates(np.array([[0.0, 1.0]], np.float32))
        >>> picture.shape, picture[0, 0].tolist(), picture[0, -1].tolist()
        ((16, 32, 3), [247, 251, 255], [8, 48, 107])
    """
    cells = np.repeat(np.repeat(weights, _CELL, axis=0), _CELL, axis=1)[..., np.newaxis]
    picture: npt.NDArray[np.uint8] = np.rint(_GROUND + cells * (_INK - _GROUND)).astype(np.uint8)
    return picture
