"""How the pictures of the documentation look: plain axes on white, one set of colours."""

from typing import Any

# Typed so because matplotlib's own type of the keys is a list of all of them.
RC: dict[Any, Any] = {
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
}
"""matplotlib's settings."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, told apart by everybody."""

GREY = "#B8BEC5"
"""What does not matter."""
