"""Why a row was refused: the code in the dead letters and what it means."""

from enum import Enum


class Reason(Enum):
    """The reason of a dead letter; its value is the code in the file.

    Attributes:
        sentence: what the rule is, for documentation and reports.
        counted: whether the row counts towards `logs.dead_letters.max_ratio`.

    Example:
        >>> Reason("missing_key").sentence
        'A key is empty: request_id, user_id, item_id, event or timestamp.'
    """

    sentence: str
    counted: bool

    def __new__(cls, code: str, sentence: str = "", counted: bool = True) -> "Reason":
        reason = object.__new__(cls)
        reason._value_ = code
        reason.sentence = sentence
        reason.counted = counted
        return reason

    WRONG_ENCODING = ("wrong_encoding", "The row is not UTF-8 text.")
    BROKEN_QUOTING = (
        "broken_quoting",
        "A quote or a carriage return stands where CSV (RFC 4180) has none.",
    )
    WRONG_NUMBER_OF_COLUMNS = (
        "wrong_number_of_columns",
        "The row has more or fewer values than the header has columns.",
    )
    ROW_TOO_LONG = ("row_too_long", "The row is longer than 1 MiB.")
    MISSING_KEY = (
        "missing_key",
        "A key is empty: request_id, user_id, item_id, event or timestamp.",
    )
    BAD_TIMESTAMP = (
        "bad_timestamp",
        "The timestamp is no whole number and no ISO-8601 time, or outside 1970 to 9999.",
    )
    WRONG_TYPE = ("wrong_type", "A numeric column holds something that is no number.")
    INFINITE_VALUE = ("infinite_value", "A number is infinite, or too large for 32 bits.")
    NEGATIVE_VALUE = (
        "negative_value",
        "A position is negative, or the value of an event whose label is its logarithm.",
    )
    VALUE_TOO_LONG = (
        "value_too_long",
        "An id or a word has more than 1,000 bytes, or a list more than 10,000 words.",
    )
    CONFLICTING_IMPRESSION = (
        "conflicting_impression",
        "Request and item name an impression that already belongs to another user.",
    )
    FEEDBACK_BEFORE_IMPRESSION = (
        "feedback_before_impression",
        "The feedback is earlier than its impression by more than `logs.clock_skew`.",
    )
    FEEDBACK_WITHOUT_IMPRESSION = (
        "feedback_without_impression",
        "No impression has this request and item; normal at the edge of a time window.",
        False,
    )
