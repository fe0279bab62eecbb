"""How all figures look: one colour a gate, told apart by everybody (Okabe and Ito's)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

GATE_LABELS = {
    "dselect_k": "DSelect-k",
    "dselect_k_open": "DSelect-k, converged or not",
    "dselect_k_early": "DSelect-k, binary early",
    "dselect_k_budget": "DSelect-k, serving budget",
    "top_k": "Top-k",
    "noisy_top_k": "noisy Top-k",
    "softmax": "softmax",
    "gumbel_softmax": "Gumbel-softmax",
    "dselect_k_annealed": "ablation (annealed)",
    "dselect_k_entropy": "ablation (entropy)",
    "softmax_per_example": "softmax, per example",
    "top_k_per_example": "Top-k, per example",
    "dselect_k_per_example": "DSelect-k, per example",
    "shared_bottom": "shared bottom",
    "alone": "one model a task",
}
GATE_COLOURS = {
    "dselect_k": "#D55E00",
    "dselect_k_open": "#F0A27A",
    "dselect_k_early": "#F0A27A",
    "dselect_k_budget": "#8C3D00",
    "top_k": "#0072B2",
    "noisy_top_k": "#56B4E9",
    "softmax": "#009E73",
    "gumbel_softmax": "#CC79A7",
    "dselect_k_annealed": "#E69F00",
    "dselect_k_entropy": "#7F7F7F",
    "softmax_per_example": "#009E73",
    "top_k_per_example": "#0072B2",
    "dselect_k_per_example": "#D55E00",
    "shared_bottom": "#000000",
    "alone": "#999933",
}
STYLE: Mapping[str, Any] = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.markersize": 5.0,
    "legend.frameon": False,
}


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches; draw in it under `mpl.rc_context(STYLE)`."""
    return Figure(figsize=(width, height), dpi=160, layout="constrained")


def save_figure(figure: Figure, out: Path) -> None:
    """Writes figure.png without what changes from run to run."""
    figure.savefig(out / "figure.png", metadata={"Software": ""})


def styled() -> Any:
    """The context in which all figures are drawn.

    Example:
        >>> with styled():
        ...     axes = new_figure(4, 3).subplots()
        >>> axes.spines["top"].get_visible()
        False
    """
    # matplotlib's own type of the keys is a list of all of them.
    settings: dict[Any, Any] = dict(STYLE)
    return mpl.rc_context(settings)


def describe_run(results: Mapping[str, Any]) -> str:
    """The command, the date, how long it took and where: the first line of every table."""
    minutes = results["seconds"] / 60
    return (
        f"`{results['command']}`, {results['date']}, {minutes:.0f} min of training on "
        f"{results['machine']}."
    )


def describe_search(search: Mapping[str, Any]) -> str:
    """How much every gate was tuned, for the line below.

    Example:
        >>> describe_search({"trials_per_rate": 4, "learning_rates": [0.1], "repetitions": 2})
        '4 trials a learning rate of 0.1, then 2 fresh seeds of the best by validation loss'
    """
    rates = ", ".join(f"{rate:g}" for rate in search["learning_rates"])
    return (
        f"{search['trials_per_rate']} trials a learning rate of {rates}, then "
        f"{search['repetitions']} fresh seeds of the best by validation loss"
    )


def describe_choice(chosen: Mapping[str, Any] | None) -> str:
    """The tuned options and the learning rate.

    Example:
        >>> gate = {"kind": "top_k", "experts_per_task": 2, "balance": {"weight": 0.1}}
        >>> describe_choice({"gate": gate, "learning_rate": 0.01})
        'k 2, weight 0.1, learning_rate 0.01'
    """
    if chosen is None:
        return "none converged"
    options = [*_flatten(chosen["gate"]), ("learning_rate", chosen["learning_rate"])]
    return ", ".join(f"{name} {_show_option(value)}" for name, value in options)


def _flatten(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Options and those of their sections, but for what a row's name says."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flatten(value)
        elif name not in ("kind", "per_example") and value is not None:
            yield "k" if name == "experts_per_task" else name, value


def _show_option(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_show_option, value))
    return value if isinstance(value, str) else f"{value:g}"
