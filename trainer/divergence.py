"""A loss that is not finite: which step, which task, which column."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer.checkpoints.progress import START, Position
from trainer.dataset import Batches
from trainer.model.network import Batch
from trainer.model.ranker import Ranker
from transforms.errors import DivergedError
from transforms.examples import weight_name

# Of an input or a label that nobody has brought to a scale near 1.
_ENORMOUS = 1e4
_MAX_COLUMNS = 10


class _Fault(NamedTuple):
    """What made a loss or a weight no number: a sentence, and the tasks of the rows."""

    columns: str
    tasks: list[str]


class FiniteWatch:
    """Ends a training whose loss or weights are not finite, and says what is at fault.

    The loss is one that each step yields anyway; what it takes to find the fault is done once
    there is one: the batch is read again, as its place says which it is.

    Args:
        ranker: that is trained.
        batches: what it is trained on.
        validation: what it is validated on.
    """

    def __init__(self, ranker: Ranker, batches: Batches, validation: Batches) -> None:
        self._ranker = ranker
        self._batches = batches
        self._validation = validation
        self._good = START

    def check_loss(self, loss: float, position: Position, late: int = 0) -> None:
        """Looks at the loss of the epoch so far.

        Args:
            loss: of its steps.
            position: after the last of them.
            late: how many steps may have been begun since the one whose loss this is.

        Raises:
            DivergedError: if it is not finite.
        """
        if math.isfinite(loss):
            return
        tasks = ", ".join(self._ranker.objectives.total.not_finite()) or "all"
        columns = self._find_fault(position, late).columns
        raise DivergedError(
            f"training: the loss is not finite at {position}. Tasks: {tasks}. {columns}"
        )

    def check_weights(self, position: Position) -> None:
        """Looks at the weights, for no checkpoint to have what cannot be trained on.

        A product that takes in its activation gives 0 for what is no number: such a row shows
        in the gradient and not in the loss.

        Raises:
            DivergedError: if one is not finite.
        """
        position = self._end_of_steps(position)
        if position == self._good:
            return
        if self._ranker.union is not None:
            self._ranker.union.write_back()
        for weight in self._ranker.trainable_variables:
            if not np.isfinite(weight.numpy()).all():
                fault = self._find_fault(position)
                raise DivergedError(
                    f"training: weights are not finite after {position}: {weight.name}. "
                    f"Tasks: {', '.join(fault.tasks) or 'all'}. {fault.columns}"
                )
        self._good = position

    def _end_of_steps(self, position: Position) -> Position:
        """The beginning of an epoch as the end of the one before; between, no weight changes."""
        epoch, step = position
        return position if step or not epoch else Position(epoch - 1, self._batches.steps)

    def _find_fault(self, position: Position, late: int = 0) -> _Fault:
        """The first batch since all was well that has what is not finite, or else the last two.

        The gradient of the one before may have made the weights overflow. A label of any batch
        is in the mean that its output began with.
        """
        epoch, end = position
        batches, first = self._batches.epoch(epoch), max(end - 2 - late, 0)
        start = self._good.step if self._good.epoch == epoch else 0
        for begin, count in ((start, -1), (0, start)):
            for step, batch in enumerate(batches.skip(begin).take(count), begin + 1):
                if (rows := _find_broken(batch)).any():
                    columns = tell_columns(tf.data.Dataset.from_tensors(batch))
                    return _Fault(f"{columns} in step {step}", self._trained_on(batch, rows))
        return _Fault(tell_columns(batches.skip(first).take(end - first)), [])

    def _trained_on(self, batch: Batch, rows: np.ndarray) -> list[str]:
        """The tasks that have a label in some of the rows."""
        counts = {task: batch[weight_name(task)].numpy()[rows] for task in self._ranker.tasks}
        return [task for task, weights in counts.items() if (weights > 0).any()]

    def check_validation(self, loss: float, epoch: int, ranker: Ranker) -> None:
        """Looks at the loss of a ranker in validation.

        Raises:
            DivergedError: if it is not finite.
        """
        if math.isfinite(loss):
            return
        tasks = ", ".join(ranker.objectives.total.not_finite()) or "all"
        raise DivergedError(
            f"training: the validation loss is not finite after {Position(epoch)}. "
            f"Tasks: {tasks}. {tell_columns(self._validation.epoch())}"
        )


def tell_columns(batches: tf.data.Dataset) -> str:
    """Which columns of some batches can have made a loss infinite, as a sentence.

    Args:
        batches: feature, label or weight name -> tensor.

    Example:
        >>> batch = {"age": [0.5, 1.0], "price": [1.0, float("nan")], "user": [1, 10**9]}
        >>> tell_columns(tf.data.Dataset.from_tensors(batch))
        'Columns with values that are not finite: price (1 of 2)'
        >>> tell_columns(tf.data.Dataset.from_tensors({"age": [0.5], "income": [2e9]}))
        'Columns with enormous values, which need a transform: income (up to 2e+09)'
        >>> tell_columns(tf.data.Dataset.from_tensors({"age": [0.5]}))
        'Columns: none; the weights overflowed, so lower `training.learning_rate`'
    """
    sizes: dict[str, int] = {}
    broken: dict[str, int] = {}
    largest: dict[str, float] = {}
    for batch in batches:
        for name, values in _floats(batch).items():
            finite = values[np.isfinite(values)]
            sizes[name] = sizes.get(name, 0) + values.size
            broken[name] = broken.get(name, 0) + values.size - finite.size
            largest[name] = max(largest.get(name, 0.0), float(np.abs(finite).max(initial=0.0)))
    if not_finite := [f"{n} ({count} of {sizes[n]})" for n, count in broken.items() if count]:
        return f"Columns with values that are not finite: {_join(not_finite)}"
    if enormous := [f"{n} (up to {most:.3g})" for n, most in largest.items() if most >= _ENORMOUS]:
        return f"Columns with enormous values, which need a transform: {_join(enormous)}"
    return "Columns: none; the weights overflowed, so lower `training.learning_rate`"


def _floats(batch: Batch) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in batch.items() if values.dtype.is_floating}


def _find_broken(batch: Batch) -> np.ndarray:
    """[B] bool: the rows that have a value that is not finite."""
    columns = _floats(batch).values()
    by_column = [~np.isfinite(c.reshape(len(c), -1)).all(axis=1) for c in columns]
    broken: np.ndarray = np.any(by_column, axis=0)
    return broken


def _join(columns: list[str]) -> str:
    more = len(columns) - _MAX_COLUMNS
    return ", ".join(columns[:_MAX_COLUMNS]) + (f" and {more} more" if more > 0 else "")
