"""The table and the figure of the experiment `ranker`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
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

Case = Mapping[str, Any]


def mean_auc(result: Mapping[str, Any], tasks: Mapping[str, str]) -> float:
    """Over the classification tasks."""
    values = [result["metrics"][name] for name, kind in tasks.items() if kind == "classification"]
    return float(np.mean(values))


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    cases = results["cases"]
    with styled():
        figure = new_figure(14.0, 4.2 * len(cases))
        rows = np.atleast_2d(figure.subplots(len(cases), 3))
        for axes, case in zip(rows, cases, strict=True):
            draw_gates(axes[0], case)
            draw_heatmap(axes[1], case)
            draw_budgets(axes[2], case)
            axes[0].set_title(f"{case['case']}: mean AUC of a gate")
            axes[1].set_title("DSelect-k: weight of each expert")
            axes[2].set_title("Quality against what serving computes")
        save_figure(figure, out)


def draw_gates(axes: Axes, case: Case) -> None:
    """A dot with its standard error for each gate."""
    names = [name for name, gate in case["gates"].items() if gate["results"]]
    for row, name in enumerate(reversed(names)):
        values = [mean_auc(r, case["tasks"]) for r in case["gates"][name]["results"]]
        mean, error = mean_and_error(values)
        axes.errorbar(mean, row, xerr=error, color=GATE_COLOURS[name], marker="o", capsize=3)
    axes.set_yticks(range(len(names)), [GATE_LABELS[name] for name in reversed(names)])
    axes.set_xlabel("mean AUC of the classification tasks, test split")
    axes.grid(axis="x", color="#EEEEEE")


def draw_heatmap(axes: Axes, case: Case) -> None:
    """The first repetition's weights: tasks by experts."""
    gates = case["gates"]
    shown = gates["dselect_k"]["results"] or gates["dselect_k_open"]["results"]
    weights = np.asarray(shown[0]["weights"])
    axes.imshow(weights, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for (task, expert), weight in np.ndenumerate(weights):
        if weight > 0:
            axes.text(
                expert,
                task,
                f"{weight:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if weight > 0.6 else "#333333",
            )
    axes.set_yticks(range(len(case["tasks"])), list(case["tasks"]))
    axes.set_xticks(range(weights.shape[1]), list(map(str, range(1, weights.shape[1] + 1))))
    axes.set_xlabel("expert")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def draw_budgets(axes: Axes, case: Case) -> None:
    """A dot a run: experts that serving computes, and mean AUC; the means named by budget."""
    names: dict[tuple[float, float], list[str]] = {}
    for row in case["budgets"]:
        unions = [result["union"] for result in row["results"]]
        values = [mean_auc(result, case["tasks"]) for result in row["results"]]
        axes.plot(unions, values, "o", color="#F0A27A")
        mean = float(np.mean(unions)), float(np.mean(values))
        names.setdefault(mean, []).append(show_budget(row))
    for mean, budgets in names.items():
        axes.plot(*mean, "o", color="#D55E00")
        text = ", ".join(budgets)
        axes.annotate(text, mean, textcoords="offset points", xytext=(5, 5), fontsize=8)
    axes.set_xlabel("experts that all tasks use\n(label: serving budget; dark: mean of its seeds)")
    axes.set_ylabel("mean AUC")
    axes.grid(color="#EEEEEE")


def show_budget(row: Mapping[str, Any]) -> str:
    """The budget's name."""
    return "none" if row["budget"] is None else str(row["budget"])


def make_table(results: Mapping[str, Any]) -> str:
    """Each case's tasks by gates, then its budgets."""
    search = results["settings"]["search"]
    lines = [
        "# The eight-task ranker: the tables",
        "",
        describe_run(results),
        "",
        f"Each gate: {describe_search(search)}. Mean ± standard error over seeds on the test "
        "split; AUC of classification tasks, RMSE of regression tasks.",
    ]
    for case in results["cases"]:
        lines += ["", f"## {case['case']}", "", *gate_lines(case), "", *budget_lines(case)]
    return "\n".join(lines) + "\n"


def gate_lines(case: Case) -> list[str]:
    """One line a task, one column a gate; then what the gates use and how they were tuned."""
    gates = case["gates"]
    lines = [
        f"| | {' | '.join(GATE_LABELS[name] for name in gates)} |",
        "|---" * (len(gates) + 1) + "|",
    ]
    for task, kind in case["tasks"].items():
        metric = "AUC" if kind == "classification" else "RMSE"
        cells = [show([r["metrics"][task] for r in gate["results"]], 4) for gate in gates.values()]
        lines.append(f"| {task}, {metric} | {' | '.join(cells)} |")
    means = [
        show([mean_auc(r, case["tasks"]) for r in gate["results"]], 4) for gate in gates.values()
    ]
    lines.append(f"| mean AUC | {' | '.join(means)} |")
    for field, label in (("experts_used", "experts used by a task"), ("union", "union")):
        cells = [
            show([r[field] for r in gate["results"] if field in r], 1) for gate in gates.values()
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    chosen = [describe_choice(gate["chosen"]) for gate in gates.values()]
    lines.append(f"| chosen | {' | '.join(chosen)} |")
    return lines


def budget_lines(case: Case) -> list[str]:
    """One line a serving budget."""
    lines = [
        "| serving budget | union | mean AUC | seeds with all gates binary |",
        "|---|---|---|---|",
    ]
    for row in case["budgets"]:
        results = row["results"]
        unions = ", ".join(str(result["union"]) for result in results)
        quality = show([mean_auc(result, case["tasks"]) for result in results], 4)
        binary = sum(result["binary"] for result in results)
        lines.append(f"| {show_budget(row)} | {unions} | {quality} | {binary} of {len(results)} |")
    return lines
