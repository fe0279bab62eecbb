"""Tables of coloured cells: expert weight by task, and overlap of tasks."""

from dataclasses import dataclass

from pipeline.report.gates import GateMatrix, Overlap
from pipeline.report.numbers import count, number, weight

# Beyond this many columns a cell is too narrow for its number.
_MAX_NUMBERED_COLUMNS = 16
_LABEL_EVERY = 8
# Where a cell is dark enough for light text: in the light theme, and in the dark one.
_DARK_FROM = 0.7
_MIDDLE_FROM = 0.47


@dataclass(frozen=True)
class Cell:
    """One value in [0, 1]: its text, its colour and what it means."""

    value: float
    text: str
    css: str
    title: str


@dataclass(frozen=True)
class Row:
    """A task: its number, name, cells (None for 0) and a last word."""

    number: int
    name: str
    cells: list[Cell | None]
    end: str = ""


@dataclass(frozen=True)
class Column:
    """An expert, or a task: its label, and for an expert how many tasks use it.

    `share` compares that with the expert that most tasks use.
    """

    label: str
    title: str
    used_by: int = 0
    share: float = 0.0
    skipped: bool = False
    shown: bool = True


@dataclass(frozen=True)
class Heatmap:
    """A table whose rows are grouped.

    Attributes:
        title: its name.
        caption: what to see in it.
        columns: [C].
        groups: group's name -> its rows of C cells.
        compact: cells are narrow and have no numbers.
        end_title: of the column after the cells, empty for none.
    """

    title: str
    caption: str
    columns: list[Column]
    groups: dict[str, list[Row]]
    compact: bool
    end_title: str = ""


def gate_heatmap(title: str, gate: GateMatrix) -> Heatmap:
    """Expert weight by task; experts that no task uses are marked as skipped.

    Args:
        title: of the table.
        gate: of T tasks and n experts.
    """
    num_experts, most = gate.weights.shape[1], max(1, int(gate.used_by.max()))
    compact = num_experts > _MAX_NUMBERED_COLUMNS
    columns = [
        Column(
            label=str(expert),
            title=f"expert {expert}: " + (f"used by {used} tasks" if used else "no task, skipped"),
            used_by=used,
            share=round(used / most, 3),
            skipped=not used,
            shown=not compact or expert % _LABEL_EVERY == 0,
        )
        for expert, used in enumerate(gate.used_by.tolist())
    ]
    ever_binary = any(step is not None for step in gate.converged)
    union = len(gate.union)
    skipped = num_experts - union
    return Heatmap(
        title=title,
        caption=f"{union} of {num_experts} experts are used, {gate.experts_per_task:.1f} a task"
        + (f"; serving skips {skipped}." if skipped else "; there is none to skip."),
        columns=columns,
        groups={
            group: [_gate_row(gate, row, ever_binary) for row in rows]
            for group, rows in gate.groups.items()
        },
        compact=compact,
        end_title="binary at" if ever_binary else "",
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
                        _cell(value, f"{value:.2f}".lstrip("0") if value < 1 else "1", title)
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


def _gate_row(gate: GateMatrix, row: int, ever_binary: bool) -> Row:
    task, step = gate.tasks[row], gate.converged[row]
    cells: list[Cell | None] = [
        _cell(value, weight(value), f"{task}, expert {expert}") if value > 0 else None
        for expert, value in enumerate(gate.weights[row].tolist())
    ]
    end = ("never" if step is None else count(step)) if ever_binary else ""
    return Row(row + 1, task, cells, end)


def _cell(value: float, text: str, title: str) -> Cell | None:
    if value <= 0:
        return None
    shade = "dark" if value >= _DARK_FROM else "middle" if value >= _MIDDLE_FROM else ""
    return Cell(round(min(value, 1.0), 3), text, shade, f"{title}: {value:.3f}")
