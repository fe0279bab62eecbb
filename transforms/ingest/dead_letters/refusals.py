"""The rows that are refused, one by one or as flags of a batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.rows.arrays import Flags, Ints

MAX_TEXT = 1000
MAX_DETAIL = 300


class Refusal(NamedTuple):
    """One refused row: where it stands, the rule it broke, and its first 1,000 characters.

    Attributes:
        row: 1-based line (CSV) or row (Parquet).
        reason: the code.
        detail: the rule, and what was received.
        text: of the row.
        rows: how many rows it stands for; more than one only if they could not be read.
    """

    row: int
    reason: Reason
    detail: str
    text: str
    rows: int = 1


class Refusals:
    """Collects the refused rows of a batch; the first rule that a row breaks is its reason.

    Args:
        size: n, how many rows the batch has.
    """

    def __init__(self, size: int) -> None:
        self.flags: Flags = np.zeros(size, dtype=bool)
        self._found: dict[int, tuple[Reason, str]] = {}

    def refuse(self, bad: Flags, reason: Reason, rule: str, values: Any) -> None:
        """Refuses the rows whose flag is set.

        Args:
            bad: [n].
            reason: the code.
            rule: what should have held, such as "`age` must be a number".
            values: what was received, [n]; read at the bad rows only.
        """
        for place in np.flatnonzero(bad & ~self.flags):
            detail = f"{rule}. Received: {_show(values[place])[:MAX_DETAIL]!r}"
            self._found[int(place)] = (reason, detail[:MAX_DETAIL])
        self.flags |= bad

    def refuse_lists(self, parents: Ints, of_words: "Refusals") -> None:
        """Refuses the lists of which a word was refused, for the reason of the first such word.

        Args:
            parents: place of the list of each word, rising.
            of_words: the refused words.
        """
        places = np.array(sorted(of_words._found), dtype=np.int64)
        for place, parent in zip(places.tolist(), parents[places].tolist(), strict=True):
            if not self.flags[parent]:
                self._found[parent] = of_words._found[place]
                self.flags[parent] = True

    def listed(self, rows: Ints, text: Callable[[Ints], list[str]]) -> list[Refusal]:
        """The refused rows, one by one.

        Args:
            rows: number of each row of the batch in its file, [n].
            text: gives the text of some of the rows, by their places in [0, n).
        """
        places = np.array(sorted(self._found), dtype=np.int64)
        if not len(places):
            return []
        return [
            Refusal(int(rows[place]), *self._found[int(place)], text)
            for place, text in zip(places, text(places), strict=True)
        ]


def _show(value: Any) -> str:
    """A value as text; Python has no word for dates of far ages, Arrow has."""
    if isinstance(value, pa.TimestampScalar):
        value = value.cast(pa.timestamp(value.type.unit, "UTC"))
    if isinstance(value, pa.TimestampScalar | pa.Date32Scalar | pa.Date64Scalar):
        value = value.cast(pa.string())
    return str(value.as_py() if isinstance(value, pa.Scalar) else value)
