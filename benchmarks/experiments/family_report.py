"""The table and the figure of the experiment `family`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmarks.harness.figures import describe_run, new_figure, save_figure, styled
from benchmarks.harness.measures import mean_and_error, show

Case = Mapping[str, Any]


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    cases = results["cases"]
    with styled():
        figure = new_figure(7.0 * len(cases), 5.0)
        for axes, case in zip(figure.subplots(1, len(cases), squeeze=False)[0], cases, strict=True):
            draw_gains(axes, case)
        save_figure(figure, out)


def gains(case: Case, option: Mapping[str, Any], field: str = "metrics") -> dict[str, list[float]]:
    """Task -> what the option is better by, seed by seed: AUC more, or RMSE less.

    `mean AUC` is the mean over classification tasks.
    """
    rivals = {row["option"]: row["results"] for row in case["options"]}
    # One of the two may have been trained with more seeds.
    pairs = list(zip(option["results"], rivals[option["against"]], strict=False))
    found: dict[str, list[float]] = {}
    for task, kind in case["tasks"].items():
        sign = 1.0 if kind == "classification" else -1.0
        found[task] = [sign * (mine[field][task] - other[field][task]) for mine, other in pairs]
    auc = [found[task] for task, kind in case["tasks"].items() if kind == "classification"]
    return {"mean AUC": np.mean(auc, axis=0).tolist(), **found}


def draw_gains(axes: Axes, case: Case) -> None:
    """A dot with its standard error for each option: its gain in mean AUC."""
    options = [row for row in case["options"] if row["option"] != row["against"]]
    for place, row in enumerate(reversed(options)):
        mean, error = mean_and_error(gains(case, row)["mean AUC"])
        axes.errorbar(mean, place, xerr=error, color="#D55E00", marker="o", capsize=3)
    axes.axvline(0.0, color="#999999", linewidth=1)
    labels = [name_of(row) for row in reversed(options)]
    axes.set_yticks(range(len(options)), labels)
    axes.set_xlabel("gain in mean AUC")
    axes.set_title(case["case"])
    axes.grid(axis="x", color="#EEEEEE")


def name_of(row: Mapping[str, Any]) -> str:
    """The option, with what it is compared with unless that is the preset."""
    against = row["against"]
    return row["option"] if against == "default" else f"{row['option']} (against {against})"


def make_table(results: Mapping[str, Any]) -> str:
    """Each case's options by tasks, then what they cost, then the position bias."""
    settings = results["settings"]
    lines = [
        "# The ranker's family: the tables",
        "",
        describe_run(results),
        "",
        f"{settings['repetitions']} seeds, 5 of top-k. First the preset: AUC of classification "
        "tasks, RMSE of regression tasks on the test split. Then what each option is better by, "
        "in thousandths (AUC more, or RMSE less), paired by seed; mean ± standard error.",
    ]
    for case in results["cases"]:
        lines += ["", f"## {case['case']}", "", *gain_lines(case), "", *cost_lines(case)]
        lines += slope_lines(case)
    return "\n".join(lines) + "\n"


def gain_lines(case: Case) -> list[str]:
    """One line an option, one column a task."""
    tasks = list(case["tasks"])
    default = case["options"][0]["results"]
    auc = [task for task, kind in case["tasks"].items() if kind == "classification"]
    means = [float(np.mean([r["metrics"][task] for task in auc])) for r in default]
    values = [show(means, 4), *(show([r["metrics"][t] for r in default], 4) for t in tasks)]
    lines = [
        f"| | mean AUC | {' | '.join(tasks)} |",
        "|---" * (len(tasks) + 2) + "|",
        f"| preset | {' | '.join(values)} |",
    ]
    for row in case["options"][1:]:
        found = gains(case, row)
        cells = [show(1000 * np.asarray(found[name]), 1) for name in ("mean AUC", *tasks)]
        lines.append(f"| {name_of(row)} | {' | '.join(cells)} |")
    return lines


def cost_lines(case: Case) -> list[str]:
    """How large the models are, and what serving takes."""
    lines = [
        "| | parameters | experts served | FLOPs served | gain in mean AUC, as if shown first |",
        "|---|---|---|---|---|",
    ]
    for row in case["options"]:
        results = row["results"]
        experts = show([r["union"] for r in results], 1)
        flops = float(np.mean([r["flops"]["pruned"] for r in results]))
        first = 1000 * np.asarray(gains(case, row, "shown_first")["mean AUC"])
        lines.append(
            f"| {row['option']} | {results[0]['parameters']:,} | "
            f"{experts} of {results[0]['num_experts']} | {flops:,.0f} | {show(first, 1)} |"
        )
    return lines


def slope_lines(case: Case) -> list[str]:
    """The position bias of the simulated world, and what the position tower found."""
    slopes = [result["position_slopes"] for result in case["options"][0]["results"]]
    if not slopes[0]:
        return []
    lines = ["", "| position bias of | true | learned |", "|---|---|---|"]
    for task, found in slopes[0].items():
        learned = show([slope[task]["learned"] for slope in slopes], 2)
        lines.append(f"| {task} | {found['true']:.2f} | {learned} |")
    return lines
