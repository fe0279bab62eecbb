"""Dead letters in the terminal: how many of each reason, and some of the rows."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from transforms.ingest.dead_letters.letters import rows_by_reason

_MAX_TEXT = 120


def letters_document(letters: pa.Table, limit: int) -> dict[str, Any]:
    """The same as JSON.

    Args:
        letters: see `read_dead_letters`.
        limit: how many to show of each reason.
    """
    return {
        "rows": pc.sum(letters["rows"]).as_py() or 0,
        "reasons": {
            reason.value: {
                "rows": rows,
                "sentence": reason.sentence,
                "counted": reason.counted,
                "letters": letters.filter(pc.equal(letters["reason"], reason.value))[
                    :limit
                ].to_pylist(),
            }
            for reason, rows in rows_by_reason(letters).items()
        },
    }


def print_letters(letters: pa.Table, limit: int, console: Console | None = None) -> None:
    """Prints a table of the reasons, and samples of each.

    Args:
        letters: see `read_dead_letters`.
        limit: how many to show of each reason.
        console: by default the standard output.
    """
    console = console or Console()
    document = letters_document(letters, limit)
    table = Table("reason", "rows", "rule")
    for code, reason in document["reasons"].items():
        note = "" if reason["counted"] else " Not counted in the ratio."
        table.add_row(code, str(reason["rows"]), f"{reason['sentence']}{note}")
    table.add_row("all", str(document["rows"]), "")
    console.print(table)
    for code, reason in document["reasons"].items():
        for letter in reason["letters"]:
            place = f"{_one_line(letter['source'])}, row {letter['row']}"
            console.print(f"[bold]{code}[/bold]", end=" ", highlight=False)
            console.print(place, markup=False, highlight=False, soft_wrap=True)
            for text in (letter["detail"], letter["text"]):
                shown = _one_line(text)
                console.print(f"  {shown}", markup=False, highlight=False, soft_wrap=True)


def _one_line(text: str) -> str:
    """Text of a log, which may hold anything, as something that a terminal shows and not obeys."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in text[: _MAX_TEXT + 1])
    return shown if len(shown) <= _MAX_TEXT else f"{shown[:_MAX_TEXT]}…"
