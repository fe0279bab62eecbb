"""The table and the figure of the experiment `movielens`."""

from collections.abc import Mapping, Sequence
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


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    with styled():
        figure = new_figure(12.5, 4.2)
        panels = figure.subplots(1, len(results["cases"]), squeeze=False)[0]
        for axes, case in zip(panels, results["cases"], strict=True):
            draw_gates(axes, case["gates"])
            axes.set_title(f"η = {case['eta']:g}")
            axes.set_xlabel("experts used by a task")
        panels[0].set_ylabel("test loss")
        handles = {
            label: handle
            for axes in panels
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=5)
        save_figure(figure, out)


def draw_gates(axes: Axes, gates: Mapping[str, Any]) -> None:
    """One point a gate, low and left is best; hollow where the gate is per example."""
    for name, gate in gates.items():
        if not gate["results"]:
            continue
        used, used_error = mean_and_error(values(gate["results"], "experts_used"))
        loss, loss_error = mean_and_error(values(gate["results"], "test_loss"))
        axes.errorbar(
            used,
            loss,
            loss_error,
            used_error,
            color=GATE_COLOURS[name],
            markerfacecolor="white" if name.endswith("per_example") else GATE_COLOURS[name],
            label=GATE_LABELS[name],
            marker="o",
            linestyle="none",
            capsize=2,
        )
    axes.set_xlim(left=0)


def values(results: Sequence[Mapping[str, Any]], field: str) -> list[float]:
    """A measure of each repetition."""
    return [result[field] for result in results]


def make_table(results: Mapping[str, Any]) -> str:
    """One line an eta and gate."""
    setup, search = results["settings"]["setup"], results["settings"]["search"]
    data, pairs = results["data"], 2 * results["data"]["ratings"]
    lines = [
        "# Two tasks on MovieLens: the table",
        "",
        describe_run(results),
        "",
        f"{data['ratings']:,} ratings of {data['movies']:,} movies by {data['users']:,} users and "
        f"as many drawn pairs, {pairs * 8 // 10:,} / {pairs // 10:,} / {pairs // 10:,}; "
        f"{setup['epochs']} epochs of batches of {setup['batch_size']}, Adagrad; "
        f"{setup['num_experts']} experts of {setup['units']} units with dropout "
        f"{setup['dropout']:g}, embeddings of {setup['embedding_dim']}. Each gate and η: "
        f"{describe_search(search)}. Mean ± standard error over seeds. "
        "The loss is η watch + (1 - η) rating; watch is cross-entropy, rating squared error.",
        "",
        "| η | gate | test loss | watch | rating | experts used | union "
        "| binary after % of the steps | discarded in tuning % | chosen |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in results["cases"]:
        for name, gate in case["gates"].items():
            cells = " | ".join(describe(gate))
            lines.append(f"| {case['eta']:g} | {GATE_LABELS[name]} | {cells} |")
    return "\n".join(lines) + "\n"


def describe(gate: Mapping[str, Any]) -> list[str]:
    """The cells of a line."""
    results = gate["results"]
    binary = [100 * r["open_share"] for r in results if r["converged"] and r["open_share"]]
    return [
        *(show(values(results, field), 4) for field in ("test_loss", "watch", "rating")),
        *(show(values(results, field), 1) for field in ("experts_used", "union")),
        show(binary, 1),
        f"{100 * gate['discarded']:.0f}",
        describe_choice(gate["chosen"]),
    ]
