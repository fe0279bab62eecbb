"""The known answer of a simulation: what each task needs, and how well it can be predicted."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.errors import InputError
from transforms.examples import POSITION, TIMESTAMP
from transforms.section import Section, load_section
from transforms.simulator.columns import Array, from_arrow
from transforms.simulator.responses import TASKS
from transforms.simulator.world import best_of, locations, remaining_b
from transforms.small_files import read_small_file
from transforms.tasks import TaskKind

TRUTH_FILE = "truth.json"
_MAX_BYTES = 1_000_000


class TaskTruth(Section):
    """What is known of one task.

    Attributes:
        kind: as in the YAML.
        group: as in the YAML.
        factors: that the best prediction depends on.
        examples: impressions that have the label.
        base_rate: share of positives (classification).
        best_auc: AUC of the true probabilities against the drawn labels (classification);
            null where all labels are the same.
        auc_shown_first: the same for the true probabilities at position 1, which is how a
            ranker compares candidates.
        rmse_of_mean: RMSE of always predicting the mean label (regression, as all below
            in the label's transformed space).
        best_rmse: RMSE of the true means against the drawn labels.
        rmse_shown_first: the same for the true means at position 1.
    """

    kind: TaskKind
    group: str
    factors: tuple[str, ...]
    examples: int
    base_rate: float | None = None
    best_auc: float | None = None
    auc_shown_first: float | None = None
    rmse_of_mean: float | None = None
    best_rmse: float | None = None
    rmse_shown_first: float | None = None

    @classmethod
    def of(cls, task: str, figures: Mapping[str, Any]) -> "TaskTruth":
        """Puts the measured figures of a task (see `tally`) beside what its world says."""
        spec = TASKS[task]
        return cls(kind=spec.kind, group=spec.response.group, factors=spec.factors, **figures)

    def share_of_best(self, value: float) -> float | None:
        """How far a model got from knowing nothing (0) to the best prediction (1).

        Args:
            value: the model's AUC (classification) or RMSE (regression).

        Returns:
            (AUC - 1/2) / (best AUC - 1/2), or (RMSE of the mean - RMSE) / (RMSE of the
            mean - best RMSE); None where the best is not known.

        Example:
            >>> click = TaskTruth(
            ...     kind="classification", group="engagement", factors=("A",), examples=9,
            ...     best_auc=0.75,
            ... )
            >>> click.share_of_best(0.625)
            0.5
        """
        chance, best = (0.5, self.best_auc)
        if self.kind == "regression":
            chance, best = (self.rmse_of_mean or 0.0, self.best_rmse)
        if best is None or best == chance:
            return None
        return (value - chance) / (best - chance)


class Counts(Section):
    """What the logs hold.

    Attributes:
        impressions: distinct impressions.
        duplicate_impressions: rows that repeat another row.
        broken_impressions: lines that are no row (CSV).
        feedback: rows of feedback, without those named below but with the late ones.
        duplicate_feedback: rows that repeat another row.
        orphan_feedback: rows whose impression is not in the logs.
        late_feedback: responses after their window.
        lost_feedback: responses without a row.
        broken_feedback: lines that are no row (CSV).
    """

    impressions: int = 0
    duplicate_impressions: int = 0
    broken_impressions: int = 0
    feedback: int = 0
    duplicate_feedback: int = 0
    orphan_feedback: int = 0
    late_feedback: int = 0
    lost_feedback: int = 0
    broken_feedback: int = 0


class Truth(Section):
    """The content of `truth.json`.

    Attributes:
        seed: of the simulation.
        impressions: distinct impressions.
        days: number of days.
        first_day: UTC.
        drift: share of factor B that fades a day.
        churn: share of users and items that leave a day.
        factor_weights: feedback event -> factor -> weight in the event's location.
        tasks: task -> what is known of it.
        counts: what the logs hold.
    """

    seed: int
    impressions: int
    days: int
    first_day: date
    drift: float
    churn: float = 0.0
    factor_weights: dict[str, dict[str, float]]
    tasks: dict[str, TaskTruth]
    counts: Counts


def read_truth(logs: Path) -> Truth:
    """Reads the known answer of simulated logs.

    Args:
        logs: the folder that `simulate` wrote.

    Raises:
        InputError: if there is no readable `truth.json`.
        ConfigError: if it breaks a rule.
    """
    path = Path(logs) / TRUTH_FILE
    try:
        value = json.loads(read_small_file(path, _MAX_BYTES))
    except (ValueError, RecursionError):
        raise InputError(f"{path}: must be JSON") from None
    return load_section(Truth, value, str(path))


def best_predictions(
    impressions: pa.Table, truth: Truth, shown_first: bool = False
) -> dict[str, Array]:
    """The best prediction of every task, from logged columns alone.

    It lets a model be compared with the best on the very rows it was evaluated on.

    Args:
        impressions: n rows with `timestamp` (timestamp or int64 milliseconds), `position`
            and the simulator's columns.
        truth: of these logs.
        shown_first: predict as if every position were 1.

    Returns:
        Task -> probability, or mean in the label's transformed space, [n].

    Raises:
        InputError: if a column is absent or has a word that the simulator never writes.
    """
    columns = from_arrow(impressions)
    if shown_first:
        columns[POSITION] = np.ones_like(columns[POSITION])
    timestamp = impressions[TIMESTAMP]
    if not pa.types.is_integer(timestamp.type):
        timestamp = timestamp.cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64())
    remaining = remaining_b(timestamp.to_numpy(), truth.first_day, truth.drift)
    return best_of(locations(columns, remaining))
