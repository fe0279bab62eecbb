"""The top of the page: blessed or refused, one sentence, a handful of numbers."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.comparison import PRIMARY_METRIC
from pipeline.evaluation.figures import Figures
from pipeline.report.comparison import share_of_best
from pipeline.report.gate_facts import describe_budget, trained_gate
from pipeline.report.gates import describe_gate
from pipeline.report.inputs import ReportInputs
from pipeline.report.numbers import METRIC_NAMES, bounds, count, percent, short, signed

Status = Literal["blessed", "refused", "unknown"]


@dataclass(frozen=True)
class Tile:
    """One number of the headline."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Headline:
    """The verdict in short.

    Attributes:
        status: decides the colour; the words say the same.
        verdict: a few words.
        sentence: what was compared and what came out.
        tiles: the numbers.
    """

    status: Status
    verdict: str
    sentence: str
    tiles: list[Tile]


def headline(inputs: ReportInputs) -> Headline:
    """Sums a run up.

    Args:
        inputs: all documents of the run.
    """
    figures = inputs.figures
    if figures is None:
        return Headline("unknown", "Not evaluated", "The run has no evaluation.", _tiles(inputs))
    blessed = figures.verdict.blessed
    if not blessed:
        verdict = "Refused: nothing was pushed"
    elif inputs.pushed:
        verdict = f"Blessed and pushed as version {inputs.pushed.version}"
    else:
        verdict = "Blessed, not pushed"
    sentence = _comparison(inputs, figures)
    if not blessed:
        reason = figures.verdict.summary.removeprefix("refused: ")
        sentence = f"{reason[:1].upper()}{reason[1:]}. {sentence}"
    return Headline("blessed" if blessed else "refused", verdict, sentence, _tiles(inputs))


def _comparison(inputs: ReportInputs, figures: Figures) -> str:
    candidate, baseline = (
        describe_gate(record.gate, record.num_experts) if record else name
        for record, name in ((inputs.candidate, "Candidate"), (inputs.baseline, "baseline"))
    )
    outcomes = Counter(task.primary.outcome for task in figures.tasks.values())
    tasks = len(figures.tasks)
    words = f"better on {outcomes['better']}, worse on {outcomes['worse']} of {tasks} tasks"
    return f"{candidate}, against {baseline}: {words} with 95% confidence."


def _tiles(inputs: ReportInputs) -> list[Tile]:
    figures, export = inputs.figures, inputs.export
    tiles = [*_metric_tiles(figures), *_share_tile(inputs)] if figures else []
    if export:
        skipped = f"skips {len(export.skipped)}" if export.skipped else "none to skip"
        budget = describe_budget(trained_gate(inputs.candidate, export))
        served = f"{len(export.union)} of {export.num_experts}"
        tiles.append(Tile("Experts served", served, ", ".join(filter(None, (skipped, budget)))))
        if export.flops_per_example:
            cost = export.flops_per_example
            note = f"{short(cost.full)} to {short(cost.pruned)} FLOPs an example"
            tiles.append(Tile("Compute skipped", percent(cost.saved), note))
    if figures:
        tiles.append(
            Tile("Evaluated on", count(figures.rows), f"rows of {count(figures.users)} users")
        )
    return tiles


def _metric_tiles(figures: Figures) -> list[Tile]:
    return [
        Tile(f"Mean {METRIC_NAMES[metric]} gain", signed(gain.value), bounds(gain))
        for metric in PRIMARY_METRIC.values()
        if metric in figures.mean and (gain := figures.mean[metric].gain)
    ]


def _share_tile(inputs: ReportInputs) -> list[Tile]:
    if inputs.truth is None or inputs.figures is None:
        return []
    shares = [
        share
        for name, task in inputs.figures.tasks.items()
        if task.kind == "classification"
        and (share := share_of_best(task, name, inputs.truth)) is not None
    ]
    if not shares:
        return []
    note = f"(AUC − ½) / (best AUC − ½), mean of {len(shares)} tasks"
    return [Tile("Of the best reachable", percent(sum(shares) / len(shares), 1), note)]
