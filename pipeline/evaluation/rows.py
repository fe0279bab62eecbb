"""The rows that an evaluation compares: labels and both models' predictions, column-wise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trainer.config import Role
from transforms.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TaskRows:
    """One task's columns.

    Attributes:
        labels: [R], 0 or 1 for classification, else in the label's transformed space.
        weights: [R], 0 where the label does not exist.
        candidate: [R], the candidate's predictions: a probability or a value in the
            label's transformed space.
        baseline: [R], the baseline's predictions.
    """

    labels: Floats
    weights: Floats
    candidate: Floats
    baseline: Floats

    def of(self, model: Role) -> Floats:
        """The model's predictions [R]."""
        return self.candidate if model == "candidate" else self.baseline

    def take(self, rows: NDArray[Any]) -> "TaskRows":
        """The same columns of some rows only.

        Args:
            rows: [S] row numbers, or [R] booleans.
        """
        return TaskRows(
            self.labels[rows], self.weights[rows], self.candidate[rows], self.baseline[rows]
        )


@dataclass(frozen=True)
class EvalRows:
    """All rows of the eval split.

    Attributes:
        user_ids: [R], text, bytes or integers.
        tasks: task -> its columns.
        slices: feature -> its raw values [R]; None and NaN are missing.

    Raises:
        InputError: if there is no row, the columns differ in length, a label that counts is
            not finite, or a weight is negative or not finite.
    """

    user_ids: NDArray[Any]
    tasks: Mapping[str, TaskRows]
    slices: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        rows = len(self.user_ids)
        if rows == 0:
            raise InputError("evaluation: the eval split must have examples. Received: 0 rows")
        for name, task in self.tasks.items():
            for column in ("labels", "weights", "candidate", "baseline"):
                _check_length(f"task {name}: {column}", getattr(task, column), rows)
            _check_values(name, task)
        for name, values in self.slices.items():
            _check_length(f"slice {name}", values, rows)

    def encoded_users(self) -> tuple[Ints, int]:
        """Each row's user as a number in [0, U), and U.

        Example:
            >>> rows = EvalRows(np.array(["b", "a", "b"]), {}, {})
            >>> rows.encoded_users()
            (array([0, 1, 0]), 2)
        """
        codes, words = encode(self.user_ids)
        return codes, len(words)


def encode(values: NDArray[Any]) -> tuple[Ints, list[Any]]:
    """Numbers equal values alike, in the order in which they appear; missing is a value.

    Args:
        values: [R].

    Returns:
        Codes [R] in [0, V) and the V values, None for the missing one.

    Example:
        >>> encode(np.array(["x", None, "x"], dtype=object))
        (array([0, 1, 0]), ['x', None])
    """
    column = pa.array(values, from_pandas=True).dictionary_encode(null_encoding="encode")
    codes = pc.cast(column.indices, pa.int64()).to_numpy(zero_copy_only=False)
    return codes, column.dictionary.to_pylist()


def _check_length(what: str, values: NDArray[Any], rows: int) -> None:
    if np.shape(values) != (rows,):
        raise InputError(
            f"evaluation: {what} must have one value a row. "
            f"Received: shape {np.shape(values)}, {rows} rows"
        )


def _check_values(name: str, task: TaskRows) -> None:
    if not np.all(np.isfinite(task.weights) & (task.weights >= 0)):
        raise InputError(f"evaluation: task {name}: weights must be finite and at least 0")
    broken = int(np.sum(~np.isfinite(task.labels[task.weights > 0])))
    if broken:
        raise InputError(
            f"evaluation: task {name}: labels must be finite where their weight is above 0. "
            f"Received: {broken} that are not"
        )
