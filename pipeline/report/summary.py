"""A run in the terminal: metrics, which experts each task uses, what serving skips."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.comparison import PRIMARY_METRIC, Outcome
from pipeline.evaluation.figures import Figures
from pipeline.report.comparison import share_of_best
from pipeline.report.gate_facts import TrainedGate, describe_budget, trained_gate
from pipeline.report.headline import headline
from pipeline.report.inputs import ExportManifest, ReportInputs, TaskExport, Truth
from pipeline.report.numbers import METRIC_NAMES, bounds, number, percent, short, signed
from pipeline.report.render import INPUTS_FILE

_STYLES: dict[Outcome, str] = {"better": "green", "worse": "red", "even": "", "unknown": "dim"}
_MAX_ROWS = 40


class FinishedRun(Protocol):
    """A run that can be asked for its artifacts' JSON files."""

    def document(self, type_name: str, file: str) -> Any:
        """The parsed file of an artifact, None if the run has no such artifact."""


def print_summary(run: FinishedRun, console: Console | None = None) -> None:
    """Prints what the run's report says in short; a line if it has none.

    Args:
        run: finished, with the artifact that `write_report` filled.
        console: by default the standard output.
    """
    console = console or Console()
    document = run.document("gaterank.GateReport", INPUTS_FILE)
    if document is None:
        console.print("The run wrote no report.")
        return
    for part in summarize(ReportInputs.model_validate(document)):
        console.print(part)


def read_inputs(folder: Path) -> ReportInputs:
    """The documents that `write_report` wrote.

    Args:
        folder: of the report.
    """
    return ReportInputs.model_validate_json((folder / INPUTS_FILE).read_text(encoding="utf-8"))


def summarize(inputs: ReportInputs) -> Iterator[RenderableType]:
    """Yields the verdict, the tasks' metrics, their experts and what serving skips.

    Args:
        inputs: the documents of a run; what is missing is left out.
    """
    top = headline(inputs)
    style = {"blessed": "bold green", "refused": "bold red", "unknown": "bold"}[top.status]
    yield Text(f"\n{inputs.name}: {top.verdict}", style=style)
    yield Text(f"{top.sentence}\n")
    if inputs.figures:
        yield _metric_table(inputs.figures, inputs.truth)
    if inputs.export:
        yield Text()
        yield _expert_table(inputs.export)
        yield Text(_serving(inputs.export))
        gate = trained_gate(inputs.candidate, inputs.export)
        yield from (Text(f"  {line}") for line in _gate_lines(gate))


def _gate_lines(gate: TrainedGate) -> Iterator[str]:
    """The serving budget and the spread of the examples, where the gate has one."""
    if gate.budget is not None:
        yield describe_budget(gate)
    if gate.importance:
        living, variation = gate.importance.living_experts, gate.importance.variation.mean()
        yield f"experts alive a task {living:.1f}, CV of their importance {variation:.2f}"


def _metric_table(figures: Figures, truth: Truth | None) -> Table:
    titles = ["task", "metric", "candidate", "baseline", "gain", "95% interval"]
    table = _table(*titles, *(["of best"] if truth else []))
    for name, task in list(figures.tasks.items())[:_MAX_ROWS]:
        one = task.primary
        cells = [
            Text(name),
            Text(METRIC_NAMES[PRIMARY_METRIC[task.kind]]),
            Text(number(one.candidate.value)),
            Text(number(one.baseline.value)),
            Text(signed(one.gain.value), style=_STYLES[one.outcome]),
            Text(bounds(one.gain, digits=3), style="dim"),
        ]
        if truth:
            cells.append(Text(percent(share_of_best(task, name, truth))))
        table.add_row(*cells)
    return _with_rest(table, len(figures.tasks))


def _expert_table(export: ExportManifest) -> Table:
    table = _table("task", "experts (weight)")
    for name, task in list(export.tasks.items())[:_MAX_ROWS]:
        table.add_row(Text(name), Text(_experts(task)))
    return _with_rest(table, len(export.tasks))


def _table(task: str, *titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(task, overflow="fold", max_width=24)
    for title in titles:
        is_text = title in ("metric", "experts (weight)")
        table.add_column(title, justify="left" if is_text else "right")
    return table


def _with_rest(table: Table, rows: int) -> Table:
    if rows > _MAX_ROWS:
        table.add_row(Text(f"and {rows - _MAX_ROWS} more", style="dim"))
    return table


def _experts(task: TaskExport) -> str:
    if task.weights is None:
        return "by example"
    known = (expert for expert in task.experts if expert < len(task.weights))
    return "  ".join(f"{expert} ({task.weights[expert]:.2f})" for expert in known)


def _serving(export: ExportManifest) -> str:
    union = f"{len(export.union)} of {export.num_experts}"
    if not export.skipped:
        return f"\nserving computes all {export.num_experts} experts: there is none to skip"
    skipped = ", ".join(str(expert) for expert in export.skipped[:16])
    more = ", ..." if len(export.skipped) > 16 else ""
    lines = [f"\nserving computes {union} experts and skips {skipped}{more}"]
    for what, costs in (("FLOPs", export.flops_per_example), ("parameters", export.parameters)):
        if costs:
            saved, sizes = percent(costs.saved), f"{short(costs.full)} to {short(costs.pruned)}"
            lines.append(f"  {saved} fewer {what}: {sizes}")
    return "\n".join(lines)
