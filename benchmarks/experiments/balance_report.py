"""The table and the figure of the experiment `balance`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmarks.harness.figures import (
    describe_choice,
    describe_run,
    describe_search,
    new_figure,
    save_figure,
    styled,
)
from benchmarks.harness.measures import mean_and_error, show

LABELS = {
    "none": "Top-2, no balance",
    "importance": "Top-2, importance",
    "kl": "Top-2, KL",
    "relative": "Top-2, relative",
    "mean": "Top-2, mean",
    "noisy_top_k": "noisy Top-2",
    "sampled": "sampled",
    "sampled_kl": "sampled, KL",
}
COLOURS = {
    "none": "#000000",
    "importance": "#D55E00",
    "kl": "#E69F00",
    "relative": "#0072B2",
    "mean": "#56B4E9",
    "noisy_top_k": "#009E73",
    "sampled": "#7F7F7F",
    "sampled_kl": "#CC79A7",
}


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    with styled():
        figure = new_figure(11.5, 4.8)
        left, right = figure.subplots(1, 2)
        draw_curves(left, results["gates"])
        draw_price(right, results["tried"])
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        save_figure(figure, out)


def draw_curves(axes: Axes, gates: Mapping[str, Any]) -> None:
    """Accuracy of the tuned gates while their least important experts are switched off."""
    for name, gate in gates.items():
        curves = np.array([result["accuracy_by_active"] for result in gate["results"]])
        points = [mean_and_error(column) for column in 100 * curves.T]
        means, errors = zip(*points, strict=True)
        active = range(1, len(means) + 1)
        axes.errorbar(
            active, means, errors, color=COLOURS[name], label=LABELS[name], marker="o", capsize=2
        )
    axes.set_title("Test accuracy %, the least important experts switched off")
    axes.set_xlabel("active experts")


def draw_price(axes: Axes, tried: Mapping[str, Any]) -> None:
    """Accuracy against evenness: a point for every option that was tried."""
    for name, options in tried.items():
        for option in (option for option in options if option["results"]):
            variation = np.mean([result["variation"] for result in option["results"]])
            accuracy = 100 * np.mean([result["accuracy"] for result in option["results"]])
            axes.scatter(variation, accuracy, color=COLOURS[name], s=36)
    axes.set_title("Test accuracy % of every option tried")
    axes.set_xlabel("coefficient of variation of the importance (0: even)")


def make_table(results: Mapping[str, Any]) -> str:
    """One line a gate, then one line an option that was tried."""
    setup, search = results["settings"]["setup"], results["settings"]["search"]
    n = setup["num_experts"]
    active = [count for count in (1, 2, 4, 6) if count < n]
    lines = [
        "# Balance of sparse gates: the table",
        "",
        describe_run(results),
        "",
        f"{n} experts of {setup['units']} ReLU units, {setup['epochs']} epochs of batches of "
        f"{setup['batch_size']}, Adam. Each gate: {describe_search(search)}. "
        "Mean ± standard error over seeds, on test images. Active experts: the most important "
        "ones by validation, the others switched off.",
        "",
        f"| gate | living of {n} | variation of importance | accuracy % | "
        + " | ".join(f"with {count} active" for count in active)
        + " | chosen |",
        "|---|---|---|---|" + "---|" * len(active) + "---|",
    ]
    for name, gate in results["gates"].items():
        cells = [*describe(gate["results"]), *describe_active(gate["results"], active)]
        lines.append(
            f"| {LABELS[name]} | {' | '.join(cells)} | {describe_choice(gate['chosen'])} |"
        )
    return "\n".join([*lines, "", *make_option_lines(results)]) + "\n"


def make_option_lines(results: Mapping[str, Any]) -> list[str]:
    """Every option at the learning rate that suits it best, from the tuning trials."""
    lines = [
        "Every option tried, at its best learning rate (few seeds: those of the tuning):",
        "",
        "| gate | option | seeds | living | variation of importance | accuracy % |",
        "|---|---|---|---|---|---|",
    ]
    for name, options in results["tried"].items():
        for option in options:
            found = option["results"]
            cells = [describe_choice(option["chosen"]), str(len(found)), *describe(found)]
            lines.append(f"| {LABELS[name]} | {' | '.join(cells)} |")
    return lines


def describe(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Living experts, variation and accuracy."""
    return [
        show([result["living"] for result in found], 1),
        show([result["variation"] for result in found], 2),
        show([100 * result["accuracy"] for result in found], 2),
    ]


def describe_active(found: Sequence[Mapping[str, Any]], active: Sequence[int]) -> list[str]:
    """Accuracy with so many experts."""
    return [
        show([100 * result["accuracy_by_active"][count - 1] for result in found], 1)
        for count in active
    ]
