"""The table and the figure of the experiment `estimators`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.harness.figures import styled

Row = Mapping[str, Any]

# Okabe and Ito's colours, told apart by everybody; the unbiased ones are the strong lines.
STYLES: Mapping[str, Mapping[str, Any]] = {
    "skip": {"color": "#0072B2", "marker": "o", "linewidth": 2.4, "zorder": 5},
    "balanced": {"color": "#D55E00", "marker": "s", "linewidth": 2.4, "zorder": 4},
    "plain_skip": {"color": "#56B4E9", "marker": "o", "linewidth": 1.4, "linestyle": "--"},
    "plain_balanced": {"color": "#E69F00", "marker": "s", "linewidth": 1.4, "linestyle": "--"},
    "greedy": {"color": "#009E73", "marker": "^", "linewidth": 1.4, "linestyle": "--"},
    "top_k_dropped": {"color": "#7F7F7F", "marker": "D", "linewidth": 1.4, "linestyle": "--"},
}
LABELS = {
    "skip": "skip",
    "balanced": "balanced",
    "plain_skip": "skip, no weights",
    "plain_balanced": "balanced, no weights",
    "greedy": "greedy",
    "top_k_dropped": "Top-2, dropped",
}


def best_trials(training: list[Row]) -> list[Row]:
    """Of each router and capacity the trial with the lowest mean loss."""
    best: dict[tuple[str, float], Row] = {}
    for trial in training:
        key = (trial["router"], trial["factor"])
        if key not in best or trial["loss"] < best[key]["loss"]:
            best[key] = trial
    return list(best.values())


def is_told_from_zero(row: Row) -> bool:
    """Whether the bias is more than an unbiased estimator shows by chance at this size."""
    return bool(row["bias"] > 3.0 * row["bias_of_an_unbiased_one"])


def write_report(results: Row, out: Path) -> None:
    """table.md and figure.png."""
    rows: dict[str, list[Row]] = {"moments": [], "training": []}
    for done in results["trials"]:
        rows[done["trial"]["part"]].append({**done["trial"], **done["result"]})
    best = best_trials(rows["training"])
    write_table(results, rows["moments"], best, out / "table.md")
    draw_figure(rows["moments"], best, out / "figure.png")


def draw_figure(moments: list[Row], best: list[Row], path: Path) -> None:
    """Three panels over capacity: bias, standard deviation, loss after training."""
    with styled():
        figure = Figure(figsize=(13.2, 4.6), dpi=160, layout="constrained")
        bias, deviation, loss = figure.subplots(1, 3)
        draw_panel(bias, moments, "bias")
        draw_panel(deviation, moments, "deviation")
        draw_panel(loss, best, "loss")
        draw_noise(bias, moments)
        bias.set_title("Bias, % of the gradient")
        deviation.set_title("Standard deviation, % of the gradient")
        loss.set_title("Squared error after training")
        figure.savefig(path)


def draw_panel(axes: Axes, rows: list[Row], field: str) -> None:
    """One line a router, named at its left end: on the right the lines meet."""
    percent = field != "loss"
    ends = {}
    for name, style in STYLES.items():
        line = sorted((row for row in rows if row["router"] == name), key=lambda r: r["factor"])
        x = [row["factor"] for row in line]
        y = [row[field] * (100.0 if percent else 1.0) for row in line]
        errors = [row.get("standard_error", 0.0) for row in line]
        axes.errorbar(x, y, errors if not percent else None, capsize=2, **style)
        ends[name] = y[0]
    finish_axes(axes, sorted({row["factor"] for row in rows}), log=field != "deviation")
    place_labels(axes, ends)


def finish_axes(axes: Axes, factors: list[float], log: bool) -> None:
    """Capacities as ticks on a log axis, with room on the left for the labels."""
    axes.set_xscale("log")
    axes.set_xlim(factors[0] * 0.38, factors[-1] * 1.06)
    axes.xaxis.set_major_locator(FixedLocator(factors))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("capacity of all experts / batch size  (n c / B)")
    if log:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.06)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(-1.5, None)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)


def place_labels(axes: Axes, ends: Mapping[str, float], gap: float = 0.052) -> None:
    """Names left of the first points, in their colours, pushed apart where they would touch."""
    to_axes = axes.transScale + axes.transLimits
    x, _ = to_axes.transform((1.0, max(ends.values())))
    names = sorted(ends, key=lambda name: ends[name])
    places = [float(to_axes.transform((1.0, ends[name]))[1]) for name in names]
    low = np.array(places) - gap * np.arange(len(places))
    # The nearest places in this order with the gap between them: pooled means.
    blocks: list[list[float]] = []
    for place in low:
        blocks.append([place])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    spread = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    for name, y in zip(names, spread + gap * np.arange(len(places)), strict=True):
        axes.text(
            x - 0.03,
            y,
            LABELS[name],
            transform=axes.transAxes,
            ha="right",
            va="center",
            color=STYLES[name]["color"],
            fontweight="bold" if STYLES[name]["linewidth"] > 2 else "normal",
        )


def draw_noise(axes: Axes, rows: list[Row]) -> None:
    """A band in which a bias cannot be told from 0 with this many samples."""
    bottom, ceiling = axes.get_ylim()
    top = 100.0 * max(3.0 * row["bias_of_an_unbiased_one"] for row in rows)
    axes.axhspan(bottom, top, color="#F1F1F1", zorder=0)
    axes.set_ylim(bottom, ceiling)
    axes.text(
        0.02, 0.02, "grey: not told from 0", transform=axes.transAxes, color="#777777", fontsize=8.5
    )


def write_table(results: Row, moments: list[Row], best: list[Row], path: Path) -> None:
    """Set-up and numbers, as markdown."""
    setup = results["settings"]["setup"]
    losses = {(row["router"], row["factor"]): row for row in best}
    lines = [
        "# Estimators under a capacity: the table",
        "",
        f"`{results['command']}`, {results['date']}, {results['seconds']} s on "
        f"{results['machine']}.",
        "",
        f"{setup['num_experts']} linear experts, {setup['batch_size']} examples a batch, "
        f"{setup['samples']:,} samples a cell, against the gradient by enumeration of all "
        f"experts. Training: SGD, {setup['steps']:,} steps, {setup['seeds']} seeds, the "
        f"better of learning rates {' and '.join(f'{r:g}' for r in setup['learning_rates'])}; "
        "the error is that of the likeliest expert, without a capacity.",
        "",
        "| n c / B | c | router | bias % | standard deviation % | examples computed % "
        "| error after training |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in moments:
        loss = losses[row["router"], row["factor"]]
        lines.append(
            f"| {row['factor']:g} | {row['capacity']} | {LABELS[row['router']]} | "
            f"{describe_bias(row)} | {100 * row['deviation']:.1f} | {100 * row['computed']:.0f} | "
            f"{loss['loss']:.4f} ± {loss['standard_error']:.4f} |"
        )
    path.write_text("\n".join(lines) + "\n")


def describe_bias(row: Row) -> str:
    """The bias in percent, or 0 with what could not have been seen."""
    if is_told_from_zero(row):
        return f"{100 * row['bias']:.1f}"
    return f"0 (< {300 * row['bias_of_an_unbiased_one']:.1f})"
