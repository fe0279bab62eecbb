"""Why a row was refused: the code in the dead letters and what it means."""

from enum import Enum


class Reason(Enum):
    """The reason of a dead letter; its value is the code in the file.

    They stand in the order in which a row is looked at. The first rule that a row breaks is
    its reason.

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

    UNREADABLE_ROW_GROUP = (
        "unreadable_row_group",
        "The rest of a Parquet row group cannot be read; one letter for all its rows.",
    )
    UNREADABLE_REST = (
        "unreadable_rest",
        "The rest of a text file cannot be read, such as a truncated gzip; one letter.",
    )
    ROW_TOO_LONG = ("row_too_long", "The row is longer than 1 MiB.")
    WRONG_ENCODING = ("wrong_encoding", "The row, or one of its values, is not UTF-8 text.")
    NULL_CHARACTER = (
        "null_character",
        "The row, or one of its values, holds a NUL, as files do after a crash of their machine.",
    )
    BROKEN_QUOTING = (
        "broken_quoting",
        "A quote or a carriage return stands where CSV (RFC 4180) has none.",
    )
    REPEATED_HEADER = (
        "repeated_header",
        "The row repeats the header, as in files put one after the other.",
        False,
    )
    TOO_FEW_VALUES = ("too_few_values", "The row has fewer values than the header has columns.")
    TOO_MANY_VALUES = ("too_many_values", "The row has more values than the header has columns.")
    MISSING_KEY = (
        "missing_key",
        "A key is empty: request_id, user_id, item_id, event or timestamp.",
    )
    PLACEHOLDER_KEY = (
        "placeholder_key",
        "An id or an event is a word for nothing: null, none, nil, nan, undefined or \\N.",
    )
    BAD_TIMESTAMP = ("bad_timestamp", "The timestamp is no whole number and no ISO-8601 time.")
    TIMESTAMP_OUT_OF_RANGE = (
        "timestamp_out_of_range",
        "The timestamp is before 1970 or after 9999, often for another unit than "
        "`logs.timestamp_unit`.",
    )
    OUTSIDE_SPAN = (
        "outside_span",
        "With `logs.spans`: the impression is of another day than its folder.",
    )
    WRONG_TYPE = ("wrong_type", "A numeric column holds something that is no number.")
    NOT_WHOLE = ("not_whole", "A position is no whole number.")
    NAN_VALUE = ("nan_value", "The value of an event is NaN.")
    INFINITE_VALUE = ("infinite_value", "A number is infinite.")
    NUMBER_TOO_LARGE = (
        "number_too_large",
        "A number is too large for its type: a 32-bit float, or a 31-bit position.",
    )
    NEGATIVE_VALUE = (
        "negative_value",
        "A position is negative, or the value of an event whose label is its logarithm.",
    )
    VALUE_TOO_LONG = ("value_too_long", "An id or a word has more than 1,000 bytes.")
    LIST_TOO_LONG = ("list_too_long", "A list has more than 10,000 words.")
    BRACKETED_LIST = (
        "bracketed_list",
        "A list is written in brackets, and not as words between separators.",
    )
    UNKNOWN_WORD = ("unknown_word", "A word is none of the feature's `is_in`.")
    UNKNOWN_EVENT = ("unknown_event", "The event is none of `logs.events`.")
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


BLOCKS = frozenset({Reason.UNREADABLE_ROW_GROUP, Reason.UNREADABLE_REST})
"""Reasons of what could not be read at all."""
