"""All that happens to one partition of keys: slice of time after slice of time."""

from collections.abc import Iterator

import pyarrow as pa

from transforms.examples import TIMESTAMP
from transforms.ingest.history.keys import KeySet
from transforms.ingest.history.past import state_schema
from transforms.ingest.history.priors import Totals
from transforms.ingest.history.statistics import Histories
from transforms.ingest.rows.arrays import join_batches
from transforms.ingest.rows.slices import Runs, slices

_END = 2**63 - 1


class KeyPartition:
    """The rows of some keys, and what was known of them before.

    Args:
        key_set: the keys.
        runs: the rows, in batches by rising time.
        state: rows of a history, of these keys.
        until: up to when it knows; -1 if it knows nothing. Rows up to then see each other but
            not the state; later ones see the state in place of those.
        max_rows: that are worked on at once.
    """

    def __init__(
        self, key_set: KeySet, runs: Runs, state: pa.RecordBatch, until: int, max_rows: int
    ) -> None:
        self._key_set = key_set
        self._runs = runs
        self._state = state
        self._until = until
        self._max_rows = max_rows
        self._last: Histories | None = None

    def statistics(self, totals: Totals) -> Iterator[Iterator[tuple[int, pa.RecordBatch]]]:
        """Of each slice the statistics; see `Histories`."""
        nothing = join_batches([], state_schema([self._key_set]))
        for histories in self._work_through(nothing, -1, self._until + 1):
            yield histories.statistics(totals, is_late=False)
        for histories in self._work_through(self._state, self._until + 1, _END):
            yield histories.statistics(totals, is_late=True)
            self._last = histories

    def _work_through(self, state: pa.RecordBatch, first: int, end: int) -> Iterator[Histories]:
        before: Histories | None = None
        schema = self._key_set.schema
        for rows in slices(self._runs, TIMESTAMP, schema, (first, end), self._max_rows):
            if before is not None:
                state = before.state_at(before.last)
            before = Histories(self._key_set, rows, state)
            yield before

    def state_at(self, time: int) -> pa.RecordBatch:
        """What is known at a time after all rows, once the statistics are made."""
        no_rows = join_batches([], self._key_set.schema)
        last = self._last or Histories(self._key_set, no_rows, self._state)
        return last.state_at(time)
