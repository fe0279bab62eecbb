"""Tables of coloured cells: expert weight by task, and overlap of tasks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.report.gates import GateMatrix, Overlap
from pipeline.report.heatmap_cells import Cell, Column, Heatmap, Row, make_cell
from pipeline.report.importance import Importance
from pipeline.report.numbers import count, number, percent, weight

# Beyond this many columns a cell is too narrow for its number.
_MAX_NUMBERED_COLUMNS = 16
_LABEL_EVERY = 8
Owners = Sequence[str | None]


def gate_heatmap(title: str, gate: GateMatrix, owners: Owners = ()) -> Heatmap:
    """Expert weight by task; experts that no task uses are marked as skipped.

    Args:
        title: of the table.
        gate: of T tasks and n experts.
        owners: the task whose own each expert is, None where all share it.
    """
    union, num_experts = len(gate.union), gate.weights.shape[1]
    skipped = num_experts - union
    ever_binary = any(step is not None for step in gate.converged)
    return Heatmap(
        title=title,
        caption=f"{union} of {num_experts} experts are used, {gate.experts_per_task:.1f} a task"
        + (f"; serving skips {skipped}." if skipped else "; there is none to skip.")
        + _tell_owners(owners),
        columns=_expert_columns(gate.selected, "used by", "no task, skipped", owners),
        groups={
            group: [_gate_row(gate, row, ever_binary) for row in rows]
            for group, rows in gate.groups.items()
        },
        compact=_is_compact(num_experts),
        end_title="binary at" if ever_binary else "",
        foot="used by",
        unused="skip",
    )


def importance_heatmap(title: str, importance: Importance, owners: Owners = ()) -> Heatmap:
    """Share of the weight of all validation examples by task and expert.

    Args:
        title: of the table.
        importance: of T tasks and n experts.
        owners: the task whose own each expert is, None where all share it.
    """
    num_experts = importance.shares.shape[1]
    variation = importance.variation
    living = importance.living.sum(axis=1)
    return Heatmap(
        title=title,
        caption="Share of the weight of all validation examples: "
        f"{importance.living_experts:.1f} of {num_experts} experts live a task, "
        f"CV {number(float(variation.mean()), 2)}, each on the mean." + _tell_owners(owners),
        columns=_expert_columns(importance.living, "lives for", "dead for every task", owners),
        groups={
            group: [
                Row(
                    row + 1,
                    importance.tasks[row],
                    _weight_cells(importance.tasks[row], importance.shares[row]),
                    f"{living[row]}, {number(variation[row], 2)}",
                )
                for row in rows
            ]
            for group, rows in importance.groups.items()
        },
        compact=_is_compact(num_experts),
        end_title="living, CV",
        foot="lives for",
        unused="dead",
    )


def overlap_heatmap(gate: GateMatrix, overlap: Overlap) -> Heatmap:
    """Jaccard index of each two tasks, the lower triangle.

    Args:
        gate: for the tasks' names and groups.
        overlap: of the same tasks.
    """
    tasks = gate.tasks
    compact = len(tasks) > _MAX_NUMBERED_COLUMNS
    pairs = {
        "related": (overlap.related, "of one group"),
        "unrelated": (overlap.unrelated, "of different groups"),
    }
    means = [f"{number(m, 2)} over pairs {of}" for m, of in pairs.values() if m is not None]
    return Heatmap(
        title="Shared experts",
        caption="Experts in common over experts in use (Jaccard index), empty for none"
        + (f": mean {', '.join(means)}." if means else "."),
        columns=[
            Column(str(i + 1), name, shown=not compact or i % _LABEL_EVERY == 0)
            for i, name in enumerate(tasks[:-1])
        ],
        groups={
            group: [
                Row(
                    row + 1,
                    tasks[row],
                    [
                        make_cell(value, f"{value:.2f}".lstrip("0") if value < 1 else "1", title)
                        for value, title in (
                            (overlap.matrix[row, i], f"{tasks[row]} and {tasks[i]}")
                            for i in range(row)
                        )
                    ],
                )
                for row in rows
            ]
            for group, rows in gate.groups.items()
        },
        compact=compact,
    )


def _is_compact(num_columns: int) -> bool:
    return num_columns > _MAX_NUMBERED_COLUMNS


def _tell_owners(owners: Owners) -> str:
    """How many experts are shared, if any is a task's own."""
    own = [owner for owner in owners if owner is not None]
    if not own:
        return ""
    return f" The first {len(owners) - len(own)} experts are shared, the others a task's own."


def _expert_columns(
    uses: NDArray[np.bool_], used: str, unused: str, owners: Owners
) -> list[Column]:
    """A column an expert, with the number of tasks that use it, from [T, n]."""
    whose = [f", of {owner} alone" if owner else "" for owner in owners] or [""] * uses.shape[1]
    counts = uses.sum(axis=0)  # [n]
    most = max(1, int(counts.max()))
    compact = _is_compact(len(counts))
    return [
        Column(
            label=str(expert),
            title=f"expert {expert}{whose[expert]}: "
            + (f"{used} {tasks} task{'s' * (tasks > 1)}" if tasks else unused),
            used_by=tasks,
            share=round(tasks / most, 3),
            unused=not tasks,
            shown=not compact or expert % _LABEL_EVERY == 0,
        )
        for expert, tasks in enumerate(counts.tolist())
    ]


def _gate_row(gate: GateMatrix, row: int, ever_binary: bool) -> Row:
    task, step, share = gate.tasks[row], gate.converged[row], gate.converged_shares[row]
    end = "never" if step is None else f"{count(step)} ({percent(share)})"
    return Row(row + 1, task, _weight_cells(task, gate.weights[row]), end if ever_binary else "")


def _weight_cells(task: str, weights: NDArray[np.float64]) -> list[Cell | None]:
    return [
        make_cell(value, weight(value), f"{task}, expert {expert}")
        for expert, value in enumerate(weights.tolist())
    ]
