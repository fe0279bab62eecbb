"""Per-example gates: how the validation split spread over the experts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.report.groups import group_tasks
from pipeline.report.inputs import TrainingRecord

# Of a fair share of the importance; an expert with less is dead (trainer.gates.importance).
_LIVING_SHARE = 0.01


@dataclass(frozen=True)
class Importance:
    """Each expert's share of a task's importance, the sum of its weights over all examples.

    Attributes:
        tasks: [T], task by task of each group.
        groups: group -> its tasks' rows, as a range of row numbers.
        shares: [T, n], rows sum to 1.
    """

    tasks: tuple[str, ...]
    groups: Mapping[str, range]
    shares: NDArray[np.float64]

    @property
    def living(self) -> NDArray[np.bool_]:
        """[T, n] whether the expert has at least a hundredth of a fair share."""
        alive: NDArray[np.bool_] = self.shares > _LIVING_SHARE / self.shares.shape[1]
        return alive

    @property
    def living_experts(self) -> float:
        """The mean number of living experts a task."""
        return float(self.living.sum(axis=1).mean())

    @property
    def variation(self) -> NDArray[np.float64]:
        """[T] the coefficient of variation: 0 for equal shares, sqrt(n - 1) for one expert."""
        spread: NDArray[np.float64] = self.shares.std(axis=1) * self.shares.shape[1]
        return spread


def gate_importance(training: TrainingRecord | None) -> Importance | None:
    """How the gate of a training spread the examples.

    Args:
        training: the model's training record.

    Returns:
        None for a static gate.
    """
    if training is None:
        return None
    rows = {t: s for t, s in training.importance.items() if len(s) == training.num_experts}
    names, groups = group_tasks(training.tasks, rows)
    if not names:
        return None
    return Importance(names, groups, np.array([rows[name] for name in names]))
