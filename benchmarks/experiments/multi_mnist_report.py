"""The table and the figure of the experiment `multi_mnist`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks.experiments.multi_mnist_data import TASKS
from benchmarks.harness.figures import (
    GATE_COLOURS,
    GATE_LABELS,
    describe_choice,
    describe_run,
    describe_search,
    new_figure,
    save_figure,
    styled,
)
from benchmarks.harness.measures import mean_and_error, show


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    with styled():
        figure = new_figure(4.6 * len(TASKS), 4.4)
        panels = figure.subplots(1, len(TASKS))
        for task, axes in enumerate(panels):
            draw_gates(axes, results["gates"], task)
            axes.set_title(f"Accuracy % of the {TASKS[task]} digit")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        save_figure(figure, out)


def draw_gates(axes: Axes, gates: Mapping[str, Any], task: int) -> None:
    """One point a gate: accuracy over the experts that a task uses, with standard errors."""
    for name, gate in gates.items():
        if gate["results"]:
            x, x_error = mean_and_error([result["experts_used"] for result in gate["results"]])
            y, y_error = mean_and_error(accuracies(gate["results"], task))
            axes.errorbar(
                x,
                y,
                y_error,
                x_error,
                color=GATE_COLOURS[name],
                label=GATE_LABELS[name],
                marker="o",
                linestyle="none",
                capsize=2,
                zorder=3 if name == "dselect_k" else 2,
            )
    axes.set_xlabel("experts used by a task")


def accuracies(found: Sequence[Mapping[str, Any]], task: int) -> list[float]:
    """In percent, of each repetition."""
    return [100 * result["accuracies"][task] for result in found]


def make_table(results: Mapping[str, Any]) -> str:
    """One line a gate."""
    setup, search = results["settings"]["setup"], results["settings"]["search"]
    lines = [
        "# Two digits in one image: the table",
        "",
        describe_run(results),
        "",
        f"{setup['train']:,} / {setup['validation']:,} / {setup['test']:,} pairs, "
        f"epochs: {setup['epochs']}, batches of {setup['batch_size']}, Adam; "
        f"{setup['num_experts']} experts. Each gate: {describe_search(search)}. "
        "Mean ± standard error over seeds, on test pairs.",
        "",
        "| gate | " + " | ".join(f"accuracy %, {task}" for task in TASKS) + " | experts used "
        "| union | binary after % of the steps | discarded in tuning % | chosen |",
        "|---|" + "---|" * len(TASKS) + "---|---|---|---|---|",
    ]
    for name, gate in results["gates"].items():
        lines.append(f"| {GATE_LABELS[name]} | {' | '.join(describe(gate))} |")
    return "\n".join(lines) + "\n"


def describe(gate: Mapping[str, Any]) -> list[str]:
    """The cells of a line."""
    found = gate["results"]
    binary = [100 * result["open_share"] for result in found if result["converged"]]
    return [
        *(show(accuracies(found, task), 2) for task in range(len(TASKS))),
        show([result["experts_used"] for result in found], 2),
        show([result["union"] for result in found], 1),
        f"{sum(binary) / len(binary):.0f}" if binary else "-",
        f"{100 * gate['discarded']:.0f}",
        describe_choice(gate["chosen"]),
    ]
