"""The names inside a tf.Example: written once, read by every floor above.

An example is one impression: its keys, the raw features of the YAML (absent when
missing), and for each task a label and a weight (0 where the label does not exist).
"""

REQUEST_ID = "request_id"
USER_ID = "user_id"
ITEM_ID = "item_id"
TIMESTAMP = "timestamp"
POSITION = "position"

IDS = (REQUEST_ID, USER_ID, ITEM_ID)
"""Columns of ids, which are text: what a ranking is known by."""

KEYS = (*IDS, TIMESTAMP)
"""Columns that name an impression; `timestamp` is int64, milliseconds since the epoch."""

SPLITS = ("train", "eval")

RANK = "rank"
"""The model's signature for one user's candidates: features as columns in, predictions out."""

SCORE = "score"
"""What candidates are sorted by: an output of the model, a column of bulk scoring."""


def label_name(task: str) -> str:
    """The example's feature that holds the task's label (float, transformed space).

    Example:
        >>> label_name("click")
        'label_click'
    """
    return f"label_{task}"


def weight_name(task: str) -> str:
    """The example's feature that is 1 where the task's label exists and 0 elsewhere.

    Example:
        >>> weight_name("click")
        'weight_click'
    """
    return f"weight_{task}"


def prediction_name(task: str) -> str:
    """The column of bulk scoring that holds the task's prediction.

    Example:
        >>> prediction_name("click")
        'prediction_click'
    """
    return f"prediction_{task}"
