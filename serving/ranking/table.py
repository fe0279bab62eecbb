"""Ranked candidates as a table for people."""

import math
from typing import Any

from rich.table import Table
from rich.text import Text

from serving.ranking.result import RankedCandidates


def make_table(ranked: RankedCandidates, limit: int | None = 20) -> Table:
    """One row a candidate: rank, item, score and every prediction.

    Args:
        ranked: best first.
        limit: how many rows; None for all.

    Returns:
        A table for `rich.console.Console.print`.
    """
    shown = ranked[:limit] if limit is not None else ranked
    caption = f"{len(shown)} of {len(ranked)} candidates" if len(shown) < len(ranked) else None
    table = Table(caption=caption, caption_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("item")
    table.add_column("score", justify="right", style="bold")
    for task in ranked.predictions:
        table.add_column(task, justify="right")
    for rank, candidate in enumerate(shown, start=1):
        values = (_format(value) for value in candidate.predictions.values())
        table.add_row(str(rank), _item(candidate.item_id), _format(candidate.score), *values)
    return table


def _item(item_id: Any) -> Text:
    """The id as it is: no markup, and nothing that a terminal would obey."""
    text = str(item_id)
    return Text(text if text.isprintable() else ascii(text))


def _format(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.4f}"
