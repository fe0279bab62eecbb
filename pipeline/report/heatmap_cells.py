"""What a table of coloured cells is made of, as the template reads it."""

from dataclasses import dataclass

# Where a cell is dark enough for light text: in the light theme, and in the dark one.
_DARK_FROM = 0.7
_MIDDLE_FROM = 0.47


@dataclass(frozen=True)
class Cell:
    """One value in [0, 1]: its text, its colour and what it means."""

    value: float
    text: str
    css: str
    title: str


@dataclass(frozen=True)
class Row:
    """A task: its number, name, cells (None for 0) and a last word."""

    number: int
    name: str
    cells: list[Cell | None]
    end: str = ""


@dataclass(frozen=True)
class Column:
    """An expert, or a task: its label, and for an expert how many tasks use it.

    `share` compares that with the expert that most tasks use.
    """

    label: str
    title: str
    used_by: int = 0
    share: float = 0.0
    unused: bool = False
    shown: bool = True


@dataclass(frozen=True)
class Heatmap:
    """A table whose rows are grouped.

    Attributes:
        title: its name.
        caption: what to see in it.
        columns: [C].
        groups: group's name -> its rows of C cells.
        compact: cells are narrow and have no numbers.
        end_title: of the column after the cells, empty for none.
        foot: what the last row counts, empty for no such row.
        unused: in that row, the word for an expert that no task uses.
    """

    title: str
    caption: str
    columns: list[Column]
    groups: dict[str, list[Row]]
    compact: bool
    end_title: str = ""
    foot: str = ""
    unused: str = ""


def make_cell(value: float, text: str, title: str) -> Cell | None:
    """A cell in the shade of its value; None for 0."""
    if value <= 0:
        return None
    shade = "dark" if value >= _DARK_FROM else "middle" if value >= _MIDDLE_FROM else ""
    return Cell(round(min(value, 1.0), 3), text, shade, f"{title}: {value:.3f}")
