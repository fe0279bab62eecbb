"""The names of columns of checked rows; a key's column is named as in an example."""

from transforms.examples import ITEM_ID, USER_ID

EVENT = "event"
VALUE = "value"

SOURCE = "source"
"""The number of a row's file, by its place in the plan."""

ROW = "row"
"""The row's 1-based line (CSV) or number (Parquet) in that file."""


def feature_column(name: str) -> str:
    """The column that holds a feature."""
    return f"feature_{name}"


def key_column(column: str) -> str:
    """The column that holds a column of a history's key."""
    return column if column in (USER_ID, ITEM_ID) else f"key_{column}"


def mask_column(task: str) -> str:
    """The column that says whether a task's label exists."""
    return f"mask_{task}"


def event_column(event: str) -> str:
    """The column that holds an event's value, in logs of one table."""
    return f"event_{event}"
