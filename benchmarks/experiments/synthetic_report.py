"""The table and the figure of the experiment `synthetic`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

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

_PANELS = {
    "test_loss": "Test error",
    "related": "Jaccard of related tasks",
    "experts_used": "Experts used by a task",
}


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    with styled():
        figure = new_figure(12.5, 4.4)
        panels = figure.subplots(1, len(_PANELS))
        for axes, (field, title) in zip(panels, _PANELS.items(), strict=True):
            draw_lines(axes, results["cases"], field)
            axes.set_title(title)
        panels[0].set_yscale("log")
        panels[1].set_ylim(0, 1.02)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=7)
        save_figure(figure, out)


def draw_lines(axes: Axes, cases: list[Mapping[str, Any]], field: str) -> None:
    """One line a gate over the number of tasks, with standard errors."""
    for name in cases[0]["gates"]:
        points = [
            (case["tasks"], *mean_and_error([r[field] for r in case["gates"][name]["results"]]))
            for case in cases
            if case["gates"][name]["results"]
        ]
        if points:
            tasks, means, errors = zip(*points, strict=True)
            axes.errorbar(
                tasks,
                means,
                errors,
                color=GATE_COLOURS[name],
                label=GATE_LABELS[name],
                marker="o",
                linewidth=2.4 if name in ("dselect_k", "dselect_k_open") else 1.4,
                capsize=2,
            )
    axes.set_xscale("log", base=2)
    axes.set_xticks([case["tasks"] for case in cases], [str(case["tasks"]) for case in cases])
    axes.set_xlabel("tasks")


def make_table(results: Mapping[str, Any]) -> str:
    """One line a number of tasks and gate."""
    setup, search = results["settings"]["setup"], results["settings"]["search"]
    lines = [
        "# Related tasks: the table",
        "",
        describe_run(results),
        "",
        f"{setup['train']:,} / {setup['validation']:,} / {setup['test']:,} examples, "
        f"{setup['epochs']} epochs of batches of {setup['batch_size']}, Adam; T/4 experts. Each "
        f"gate: {describe_search(search)}. Mean ± standard error over seeds.",
        "",
        "| tasks | gate | test error x 1000 | Jaccard, related | Jaccard, unrelated "
        "| experts used | union | binary after % of the steps | discarded in tuning % | chosen |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in results["cases"]:
        for name, gate in case["gates"].items():
            cells = " | ".join(describe(gate))
            lines.append(f"| {case['tasks']} | {GATE_LABELS[name]} | {cells} |")
    return "\n".join(lines) + "\n"


def describe(gate: Mapping[str, Any]) -> list[str]:
    """The cells of a line."""
    results = gate["results"]
    unrelated = [r["unrelated"] for r in results if r["unrelated"] is not None]
    binary = [100 * r["open_share"] for r in results if r["converged"]]
    return [
        show([1000 * result["test_loss"] for result in results], 2),
        show([result["related"] for result in results], 2),
        show(unrelated, 2),
        show([result["experts_used"] for result in results], 1),
        show([result["union"] for result in results], 1),
        f"{sum(binary) / len(binary):.0f}" if binary else "-",
        f"{100 * gate['discarded']:.0f}",
        describe_choice(gate["chosen"]),
    ]
