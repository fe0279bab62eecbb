"""The table and the figure of the experiment `recovery`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmarks.harness.figures import (
    GATE_LABELS,
    describe_choice,
    describe_run,
    describe_search,
    new_figure,
    save_figure,
    styled,
)
from benchmarks.harness.measures import show

_TRUE, _OTHER = "#D55E00", "#BBBBBB"
_COLUMNS = 4


def write_report(results: Mapping[str, Any], out: Path) -> None:
    """table.md and figure.png."""
    (out / "table.md").write_text(make_table(results))
    gates = {
        name: found
        for name, found in results["gates"].items()
        if any(result["path"] for result in found["results"])
    }
    with styled():
        rows = -(-len(gates) // _COLUMNS)
        figure = new_figure(3.1 * _COLUMNS, 2.7 * rows)
        panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
        for axes in panels.flat[len(gates) :]:
            axes.set_axis_off()
        for axes, (name, found) in zip(panels.flat, gates.items(), strict=False):
            draw_path(axes, next(r for r in found["results"] if r["path"]))
            axes.set_title(GATE_LABELS[name])
        for axes in panels[:, 0]:
            axes.set_ylabel("weight of each expert")
        save_figure(figure, out)


def draw_path(axes: Axes, result: Mapping[str, Any]) -> None:
    """The weights of one gate while it trains; those of the true experts stand out."""
    path = np.asarray(result["path"])  # [points, n]
    share = np.linspace(0, 100, len(path))
    for expert, weights in enumerate(path.T):
        true = expert in result["true"]
        axes.plot(
            share,
            weights,
            color=_TRUE if true else _OTHER,
            linewidth=1.8 if true else 0.9,
            zorder=2 + true,
        )
    axes.set_xlabel("% of the steps")
    axes.set_ylim(-0.02, 1.02)
    axes.text(0.98, 0.95, "true experts", color=_TRUE, ha="right", transform=axes.transAxes)
    axes.text(0.98, 0.88, "others", color="#888888", ha="right", transform=axes.transAxes)


def make_table(results: Mapping[str, Any]) -> str:
    """One line a gate."""
    setup, search = results["settings"]["setup"], results["settings"]["search"]
    true = setup["num_true"]
    lines = [
        "# Gate recovery: the table",
        "",
        describe_run(results),
        "",
        f"{setup['num_experts']} frozen experts, {true} of which made the labels; "
        f"{setup['train']:,} examples, {setup['epochs']} epochs of batches of "
        f"{setup['batch_size']}, Adam. Each gate: {describe_search(search)}. "
        "Mean ± standard error over seeds.",
        "",
        f"| gate | found of {true} | seeds with all {true} | experts used | validation error "
        "| open % of the steps | discarded in tuning % | chosen |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, gate in results["gates"].items():
        lines.append(f"| {GATE_LABELS[name]} | {' | '.join(describe(gate, true))} |")
    return "\n".join(lines) + "\n"


def describe(gate: Mapping[str, Any], true: int) -> list[str]:
    """The cells of a line."""
    found = [result["found"] for result in gate["results"]]
    return [
        show(found, 2),
        f"{sum(count == true for count in found)} of {len(found)}",
        show([result["experts_used"] for result in gate["results"]], 2),
        show([result["validation_loss"] for result in gate["results"]], 4),
        f"{100 * np.mean([result['open_share'] for result in gate['results']]):.1f}",
        f"{100 * gate['discarded']:.0f}",
        describe_choice(gate["chosen"]),
    ]
