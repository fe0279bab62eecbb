"""Which task uses which expert: heatmap, use of experts, union and overlap of tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.report.groups import group_tasks
from pipeline.report.inputs import ExportManifest, TaskInfo, TrainingRecord

_KIND_NAMES = {
    "dselect_k": "DSelect‑k",
    "top_k": "Top‑k",
    "softmax": "Softmax",
    "noisy_top_k": "Noisy Top‑k",
    "gumbel_softmax": "Gumbel‑softmax",
    "dselect_k_annealed": "DSelect‑k, annealed softmax",
    "dselect_k_entropy": "DSelect‑k, softmax with entropy",
    "shared_bottom": "Shared bottom",
    "sampled": "Sampled",
}


@dataclass(frozen=True)
class GateMatrix:
    """The gate as trained.

    Attributes:
        tasks: [T], task by task of each group.
        groups: group -> its tasks' rows, as a range of row numbers.
        weights: [T, n].
        selected: [T, n] bool.
        converged: [T] the step at which the task's gate became binary, or None.
        total_steps: of the training.
    """

    tasks: tuple[str, ...]
    groups: Mapping[str, range]
    weights: NDArray[np.float64]
    selected: NDArray[np.bool_]
    converged: tuple[int | None, ...]
    total_steps: int = 0

    @property
    def used_by(self) -> NDArray[np.int64]:
        """[n] how many tasks use each expert."""
        counts: NDArray[np.int64] = self.selected.sum(axis=0)
        return counts

    @property
    def union(self) -> tuple[int, ...]:
        """The experts that any task uses: what serving must compute."""
        return tuple(np.flatnonzero(self.used_by).tolist())

    @property
    def experts_per_task(self) -> float:
        """The mean number of experts a task uses."""
        return float(self.selected.sum(axis=1).mean())

    @property
    def converged_shares(self) -> tuple[float | None, ...]:
        """[T] the share of the training's steps until the task's gate was binary."""
        total = max(1, self.total_steps)
        return tuple(step if step is None else step / total for step in self.converged)


@dataclass(frozen=True)
class Overlap:
    """Jaccard index of each two tasks' sets of experts, |A and B| / |A or B|.

    Attributes:
        matrix: [T, T].
        related: mean over pairs of one group, None if there is no such pair.
        unrelated: mean over pairs of two groups, None if there is no such pair.
    """

    matrix: NDArray[np.float64]
    related: float | None
    unrelated: float | None


def gate_matrix(
    training: TrainingRecord | None, export: ExportManifest | None
) -> GateMatrix | None:
    """The gate's final weights: those exported, else the last ones recorded.

    Args:
        training: the model's training record.
        export: its manifest.

    Returns:
        None if neither holds static weights.
    """
    rows = _exported(export) or _recorded(training)
    if not rows:
        return None
    infos: Mapping[str, TaskInfo] = (
        export.tasks if export and export.tasks else training.tasks if training else {}
    )
    names, groups = group_tasks(infos, rows)
    weights = np.array([rows[name][0] for name in names])  # [T, n]
    steps = training.converged_step if training else {}
    return GateMatrix(
        tasks=names,
        groups=groups,
        weights=weights,
        selected=np.array([rows[name][1] for name in names]),
        converged=tuple(steps.get(name) for name in names),
        total_steps=training.total_steps if training else 0,
    )


def overlap(gate: GateMatrix) -> Overlap:
    """Compares each two tasks' sets of experts; two empty sets count as 0.

    Args:
        gate: of T tasks.

    Example:
        >>> sets = np.array([[True, True, False], [True, False, True]])
        >>> gate = GateMatrix(("a", "b"), {"g": range(2)}, sets * 0.5, sets, (None, None))
        >>> round(overlap(gate).related, 3)
        0.333
    """
    sets = gate.selected.astype(np.float64)
    both = sets @ sets.T  # [T, T]
    sizes = sets.sum(axis=1)
    either = sizes[:, np.newaxis] + sizes - both
    matrix = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    group = np.empty(len(gate.tasks), dtype=np.int64)
    for number, rows in enumerate(gate.groups.values()):
        group[rows.start : rows.stop] = number
    pairs = np.tril(np.ones_like(matrix, dtype=bool), k=-1)
    same = group[:, np.newaxis] == group
    return Overlap(matrix, _mean(matrix[pairs & same]), _mean(matrix[pairs & ~same]))


def describe_gate(gate: Mapping[str, object], num_experts: int) -> str:
    """A gate in a few words; the hyphen of its name is one at which no line breaks.

    Example:
        >>> describe_gate({"kind": "top_k", "experts_per_task": 2}, 8)
        'Top‑k, k = 2 of 8 experts'
    """
    kind = str(gate.get("kind", "gate"))
    name = _KIND_NAMES.get(kind, kind)
    if kind == "shared_bottom":
        units = gate.get("units")
        widths = f" of {', '.join(map(str, units))} units" if isinstance(units, Sequence) else ""
        return f"{name}{widths}, no experts"
    per_example = ", per example" if gate.get("per_example") else ""
    chosen = gate.get("experts_per_task")
    experts = f"k = {chosen} of {num_experts}" if chosen else f"all {num_experts}"
    return f"{name}, {experts} experts{per_example}"


def _exported(export: ExportManifest | None) -> dict[str, tuple[list[float], list[bool]]]:
    """Task -> weights [n] and selection [n]."""
    if export is None:
        return {}
    every = range(export.num_experts)
    return {
        name: (list(task.weights), [expert in task.experts for expert in every])
        for name, task in export.tasks.items()
        if task.weights is not None and len(task.weights) == export.num_experts
    }


def _recorded(training: TrainingRecord | None) -> dict[str, tuple[list[float], list[bool]]]:
    if training is None:
        return {}
    last = {name: rows[-1] for name, rows in training.gate_weights.items() if rows}
    return {
        name: (list(row), [weight > 0 for weight in row])
        for name, row in last.items()
        if len(row) == training.num_experts
    }


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None
