"""The table and the figure of the experiment `convergence`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmarks.harness.figures import (
    GATE_COLOURS,
    GATE_LABELS,
    describe_choice,
    describe_run,
    new_figure,
    save_figure,
    styled,
)
from benchmarks.harness.measures import mean_and_error, show


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    cases = results["cases"]
    with styled():
        figure = new_figure(3.0 * len(cases), 3.4)
        panels = figure.subplots(1, len(cases), squeeze=False)[0]
        for axes, case in zip(panels, cases, strict=True):
            draw_costs(axes, case["gates"])
            axes.set_title(name_case(case))
        panels[0].set_ylabel("FLOPs of a training\n(% of Top-k, all experts)")
        save_figure(figure, out)


def draw_costs(axes: Axes, gates: Mapping[str, Any]) -> None:
    """Two bars a gate: all experts computed at each step, and only those that must be."""
    places = np.arange(len(gates))
    for place, (name, gate) in zip(places, gates.items(), strict=True):
        for side, field in ((-0.2, "all_experts"), (0.2, "conditional")):
            mean, error = mean_and_error(relative(gate, gates["top_k"], field))
            is_whole = field == "all_experts"
            axes.bar(
                place + side,
                mean,
                0.36,
                yerr=None if is_whole else error,
                color="white" if is_whole else GATE_COLOURS[name],
                edgecolor=GATE_COLOURS[name],
                capsize=2,
            )
    axes.set_xticks(places, [GATE_LABELS[name].replace(",", "\n") for name in gates], fontsize=8)


def relative(
    gate: Mapping[str, Any], top_k: Mapping[str, Any], field: str, to: str = "all_experts"
) -> list[float]:
    """What each training cost, in % of what Top-k's cost on average."""
    whole = float(np.mean(values(top_k["runs"], to)))
    return [100 * value / whole for value in values(gate["runs"], field)]


def values(runs: Sequence[Mapping[str, Any]], field: str) -> list[float]:
    """A measure of all runs that have it."""
    return [run[field] for run in runs if run[field] is not None]


def name_case(case: Mapping[str, Any]) -> str:
    """As in a title.

    Example:
        >>> name_case({"tasks": 32, "gates": {}})
        'synthetic, 32 tasks'
    """
    return (
        f"synthetic, {case['tasks']} tasks"
        if "tasks" in case
        else f"MovieLens, η = {case['eta']:g}"
    )


def make_table(results: Mapping[str, Any]) -> str:
    """One line a case and gate."""
    repetitions = results["settings"]["repetitions"]
    lines = [
        "# Convergence and conditional training: the table",
        "",
        describe_run(results),
        "",
        f"Mean ± standard error over {repetitions} seeds. FLOPs are those of the training step's "
        "graph by TensorFlow's profiler, times the steps. Conditional: all experts until every "
        "selector is binary, then the union only; for Top-k the selected experts of each step.",
        "",
        "| case | gate | test loss x 1000 | seeds that became binary | binary after % of the steps "
        "| experts computed then, of n | MFLOPs of a step, all experts | GFLOPs of a training, all "
        "experts | conditional | % of Top-k, all experts | % of Top-k, conditional | options |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in results["cases"]:
        for name, gate in case["gates"].items():
            cells = " | ".join(describe(gate, case["gates"]["top_k"]))
            lines.append(f"| {name_case(case)} | {GATE_LABELS[name]} | {cells} |")
    return "\n".join(lines) + "\n"


def describe(gate: Mapping[str, Any], top_k: Mapping[str, Any]) -> list[str]:
    """The cells of a line."""
    runs, costs = gate["runs"], gate["flops_of_a_step"]
    binary = [100 * share for share in values(runs, "binary_after")]
    return [
        show([1000 * loss for loss in values(runs, "test_loss")], 1),
        f"{len(binary)} of {len(runs)}" if binary else "-",
        show(binary, 2),
        f"{show(values(runs, 'experts'), 1)} of {len(costs)}",
        f"{costs[-1] / 1e6:.1f}",
        f"{runs[0]['all_experts'] / 1e9:.1f}",
        show([cost / 1e9 for cost in values(runs, "conditional")], 1),
        show(relative(gate, top_k, "conditional"), 1),
        show(relative(gate, top_k, "conditional", "conditional"), 1),
        describe_choice(gate["chosen"]),
    ]
