"""Draws the pictures of docs/gates.md from the project's own gates.

    make pictures

The smooth step for several widths; the weights of a DSelect-k and a Top-k gate while they
look for the experts behind their labels; which task uses which expert after a training.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from benchmarks.harness.figures import new_figure, styled
from benchmarks.pictures.gate_toys import (
    Mixture,
    Recovery,
    Trajectory,
    make_recovery,
    make_tasks,
    train_mixture,
    train_recovery,
)
from trainer.gates.smooth_step import smooth_step

BETAS = (0.5, 1.0, 2.0, 4.0)
RATES = (0.003, 0.01, 0.03, 0.1)
RECOVERY_STEPS, RECOVERY_SEED = 1500, 1
MIXTURE_STEPS, MIXTURE_RATE = 5000, 0.01
TOP_K = {"kind": "top_k", "experts_per_task": 2}
DSELECT_K = {
    "kind": "dselect_k", "experts_per_task": 2, "entropy_weight": 0.003, "entropy_growth": 3e-5
}  # fmt: skip
BUDGET = DSELECT_K | {"entropy_weight": 0.0, "serving_budget": 4}
_TOP = 0.55
_NO_ERROR = 1e-6
# Okabe and Ito's colours, told apart by everybody; grey is what does not matter.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
GREY = "#B8BEC5"
HEAT = LinearSegmentedColormap.from_list("heat", ["#dcecee", "#004d5e"])


def draw_smooth_step(path: Path) -> None:
    """S and its derivative for several beta."""
    t = np.linspace(-2.6, 2.6, 1001, dtype=np.float32)
    with styled():
        figure = new_figure(8.4, 2.9)
        value, slope = figure.subplots(1, 2)
        for beta, colour in zip(BETAS, COLOURS, strict=False):
            points = tf.constant(t)
            with tf.GradientTape() as tape:
                tape.watch(points)
                step = smooth_step(points, beta)
            value.plot(t, step, color=colour, label=f"β = {beta:g}")
            slope.plot(t, tape.gradient(step, points), color=colour, label=f"β = {beta:g}")
        value.set(title="S(t)", xlabel="t", yticks=[0, 0.5, 1])
        slope.set(title="its derivative", xlabel="t")
        for axes in (value, slope):
            axes.grid(color="#EEEEEE")
        slope.legend()
        figure.savefig(path, metadata={"Software": ""})


def best_trajectory(recovery: Recovery, section: Mapping[str, Any]) -> Trajectory:
    """Of one training a learning rate that with the lowest loss."""
    trials = [train_recovery(recovery, section, rate, RECOVERY_STEPS) for rate in RATES]
    return min(trials, key=lambda trial: trial.loss)


def draw_trajectories(path: Path) -> None:
    """A Top-k and a DSelect-k gate that look for 4 of 16 experts."""
    recovery = make_recovery(seed=RECOVERY_SEED)
    gates = {
        "Top-k": {"kind": "top_k", "experts_per_task": 4},
        "DSelect-k": {
            "kind": "dselect_k",
            "experts_per_task": 4,
            "entropy_weight": 1e-3,
            "entropy_growth": 1e-5,
        },
    }
    with styled():
        figure = new_figure(8.4, 3.4)
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (name, section) in zip(panels, gates.items(), strict=True):
            _draw_trajectory(axes, name, best_trajectory(recovery, section), recovery)
        panels[0].set_ylabel("weight of an expert")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
        figure.savefig(path, metadata={"Software": ""})


def _draw_trajectory(axes: Axes, name: str, trajectory: Trajectory, recovery: Recovery) -> None:
    num_experts = recovery.outputs.shape[1]
    others = [expert for expert in range(num_experts) if expert not in recovery.chosen]
    for expert, colour in zip(recovery.chosen, COLOURS, strict=False):
        line = trajectory.weights[:, expert]
        label = f"expert {expert}"
        axes.plot(trajectory.steps, line, color=colour, linewidth=1.8, zorder=3, label=label)
    lines = axes.plot(trajectory.steps, trajectory.weights[:, others], color=GREY, linewidth=1.0)
    lines[0].set_label(f"{len(others)} others")
    if trajectory.binary_step is not None:
        axes.axvline(trajectory.binary_step, color="#444444", linestyle="--", linewidth=1.0)
        place = (trajectory.binary_step + 15, _TOP - 0.04)
        axes.annotate(f"binary at step {trajectory.binary_step}", place, fontsize=8.5)
    found = np.count_nonzero(trajectory.weights[-1, list(recovery.chosen)])
    error = f"error {trajectory.loss:.2f}" if trajectory.loss > _NO_ERROR else "no error"
    axes.set(
        title=f"{name}: {found} of {len(recovery.chosen)} found, {error}",
        xlabel="step",
        ylim=(-0.02, _TOP),
    )


def draw_heatmap(path: Path) -> None:
    """Weights of three gates over experts that were trained with them."""
    data = make_tasks()
    gates = {"Top-k": TOP_K, "DSelect-k": DSELECT_K, "DSelect-k, serving budget 4": BUDGET}
    with styled():
        figure = new_figure(10.4, 3.6)
        panels = figure.subplots(1, 3, sharey=True)
        for axes, (name, section) in zip(panels, gates.items(), strict=True):
            mixture = train_mixture(data, section, MIXTURE_RATE, MIXTURE_STEPS)
            _draw_weights(axes, name, mixture)
        names = [f"{group}{number}" for group in "AB" for number in range(1, 5)]
        panels[0].set_yticks(np.arange(8) + 0.5, names)
        panels[0].set_ylabel("task")
        figure.savefig(path, metadata={"Software": ""})


def _draw_weights(axes: Axes, name: str, mixture: Mixture) -> None:
    weights = mixture.weights
    num_tasks, num_experts = weights.shape
    axes.pcolormesh(
        np.ma.masked_equal(weights, 0.0),
        cmap=HEAT,
        vmin=0,
        vmax=1,
        edgecolor="white",
        linewidth=1.5,
    )
    used = (weights > 0).any(axis=0)
    for expert in np.flatnonzero(~used):
        skipped = Rectangle(
            (float(expert), 0.0),
            1.0,
            num_tasks,
            fill=False,
            hatch="////",
            edgecolor="#D5DADF",
            linewidth=0,
        )
        axes.add_patch(skipped)
    for task, expert in np.argwhere(weights > 0):
        weight = weights[task, expert]
        _write(axes, expert + 0.5, task + 0.5, weight)
    error = f"{mixture.error:.5f}".rstrip("0")
    axes.axhline(num_tasks / 2, color="#888888", linewidth=0.8)
    axes.set(
        title=name,
        xlabel=f"expert ({used.sum()} of {num_experts} used, held-out error {error})",
        xticks=np.arange(num_experts) + 0.5,
        xticklabels=range(num_experts),
        ylim=(num_tasks, 0),
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write(axes: Axes, x: float, y: float, weight: float) -> None:
    text = "<.01" if weight < 0.005 else f"{weight:.2f}".removeprefix("0")
    colour = "white" if weight > 0.5 else "#16202b"
    axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=7.5)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the PNG files."""
    parser = argparse.ArgumentParser(description="The pictures of docs/gates.md.")
    parser.add_argument("--out", type=Path, default=Path("docs/gates"), help="folder to write to")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    draw_smooth_step(out / "smooth_step.png")
    draw_trajectories(out / "trajectories.png")
    draw_heatmap(out / "heatmap.png")


if __name__ == "__main__":
    main()
