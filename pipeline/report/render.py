"""Renders the report: one HTML page with its style and charts inside, nothing fetched."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.report import numbers
from pipeline.report.calibration_plots import calibration_plots
from pipeline.report.comparison import forests
from pipeline.report.curves import balance_plots, loss_plot, task_plots
from pipeline.report.data_quality import data_quality
from pipeline.report.gate_facts import TrainedGate, gate_facts, trained_gate
from pipeline.report.gates import GateMatrix, describe_gate, overlap
from pipeline.report.headline import headline
from pipeline.report.heatmap import gate_heatmap, importance_heatmap, overlap_heatmap
from pipeline.report.heatmap_cells import Heatmap
from pipeline.report.inputs import ReportInputs, TrainingRecord
from pipeline.report.slice_table import slice_tables
from pipeline.report.trajectories import trajectory_plots
from trainer.config import Role

REPORT_FILE = "report.html"
INPUTS_FILE = "inputs.json"
_FOLDER = Path(__file__).resolve().parent
_FILTERS = (
    numbers.number,
    numbers.signed,
    numbers.bounds,
    numbers.span,
    numbers.count,
    numbers.short,
    numbers.percent,
    numbers.moment,
    numbers.duration,
)


def render_report(inputs: ReportInputs) -> str:
    """The whole page.

    Every name and text is escaped, and the page's content policy forbids scripts and any
    request, so what a log or a configuration calls itself stays text.

    Args:
        inputs: the documents of a run; sections without theirs say so.
    """
    return _environment().get_template("report.html.j2").render(_context(inputs))


def write_report(inputs: ReportInputs, folder: Path) -> None:
    """Writes `report.html`, and `inputs.json` from which it can be rendered again.

    Args:
        inputs: the documents of a run.
        folder: is made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT_FILE).write_text(render_report(inputs), encoding="utf-8")
    (folder / INPUTS_FILE).write_text(inputs.model_dump_json(indent=1), encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in _FILTERS}
    environment.globals["metric_names"] = numbers.METRIC_NAMES
    # The style sheet is ours: the one text that goes into the page as it is.
    environment.globals["style"] = Markup((_FOLDER / "report.css").read_text(encoding="utf-8"))
    return environment


def _context(inputs: ReportInputs) -> dict[str, Any]:
    figures = inputs.figures
    gates: dict[Role, TrainedGate] = {
        "candidate": trained_gate(inputs.candidate, inputs.export),
        "baseline": trained_gate(inputs.baseline, inputs.baseline_export),
    }
    candidate = gates["candidate"].matrix
    records: dict[Role, TrainingRecord | None] = {
        "candidate": inputs.candidate,
        "baseline": inputs.baseline,
    }
    tasks = _task_order(inputs, candidate)
    return {
        "inputs": inputs,
        "figures": figures,
        "headline": headline(inputs),
        "gate_names": {model: _gate_name(gate) for model, gate in gates.items() if gate.record},
        "gate_facts": gate_facts(gates),
        "gates": [heatmap for model, gate in gates.items() for heatmap in _heatmaps(model, gate)],
        "is_static": any(gate.matrix for gate in gates.values()),
        "balance": balance_plots(records),
        "overlap": overlap_heatmap(candidate, overlap(candidate)) if candidate else None,
        "trajectories": {
            model: trajectory_plots(record, tasks) for model, record in records.items()
        },
        "loss": loss_plot(records),
        "curves": task_plots(records, tasks),
        "forests": forests(figures, inputs.truth) if figures else [],
        "base_forests": forests(figures.base, None) if figures and figures.base else [],
        "calibrations": calibration_plots(figures, tasks) if figures else [],
        "slices": slice_tables(figures) if figures else [],
        "data": data_quality(inputs.counts) if inputs.counts else None,
    }


def _heatmaps(model: Role, gate: TrainedGate) -> Iterator[Heatmap]:
    title = f"{model.capitalize()}: {_gate_name(gate)}"
    owners = gate.record.expert_owners if gate.record else ()
    if gate.matrix:
        yield gate_heatmap(title, gate.matrix, owners)
    if gate.importance:
        yield importance_heatmap(title, gate.importance, owners)


def _gate_name(gate: TrainedGate) -> str:
    return describe_gate(gate.record.gate, gate.record.num_experts) if gate.record else "gate"


def _task_order(inputs: ReportInputs, gate: GateMatrix | None) -> tuple[str, ...]:
    if gate:
        return gate.tasks
    sources = (inputs.export, inputs.candidate, inputs.baseline, inputs.figures)
    return next((tuple(source.tasks) for source in sources if source), ())
