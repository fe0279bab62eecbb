"""The Beam steps that make histories: by request, then by key, then by request again."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import AsIter, AsSingleton, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from transforms.ingest.history.keys import KEY, PLACE, SHARD
from transforms.ingest.history.past import (
    pending_rows,
    rows_of,
    state_schema,
    to_past,
    to_pending,
    to_rows,
)
from transforms.ingest.history.priors import Totals
from transforms.ingest.history.state import HISTORY_FILE, read_history, to_totals, write_history
from transforms.ingest.history.statistics import Histories
from transforms.ingest.plan import IngestPlan
from transforms.ingest.rows.messages import cut, unpack
from transforms.ingest.rows.partitions import partition_by_key
from transforms.ingest.steps.merge import MergeFn

KEY_ROWS, STATE, TOTALS = "key_rows", "state", "totals"


class HistoryInputs(NamedTuple):
    """What the impressions tell their keys.

    Attributes:
        key_rows: ((number of the key set, partition of the key), rows as Arrow IPC).
        totals: of all labels.
    """

    key_rows: PCollection[Any]
    totals: PCollection[Any]


class MakeHistories(beam.PTransform[Any, Any]):
    """Makes the history features, and writes what is known at the end.

    Gives ((partition of the request), (number of the key set, rows as Arrow IPC)).

    Args:
        plan: of the ingestion.
        folder: gets the file of the history.
    """

    def __init__(self, plan: IngestPlan, folder: str) -> None:
        super().__init__()
        self._plan = plan
        self._folder = folder

    @no_annotations
    def expand(self, inputs: HistoryInputs) -> PCollection[Any]:
        pipeline = inputs.key_rows.pipeline
        started = (
            pipeline
            | "ListHistory" >> beam.Create([self._plan.history] if self._plan.history else [])
            | "ReadHistory"
            >> beam.ParDo(ReadHistoryFn(self._plan)).with_outputs(TOTALS, main=STATE)
        )
        totals = AsSingleton(
            (inputs.totals, started[TOTALS])
            | "FlattenTotals" >> beam.Flatten()
            | "AddUpTotals" >> beam.CombineGlobally(MergeFn(Totals))
        )
        made = (
            {KEY_ROWS: inputs.key_rows, STATE: started[STATE]}
            | "GroupByKeyPartition" >> beam.CoGroupByKey()
            | "MakeStatistics"
            >> beam.ParDo(MakeStatisticsFn(self._plan), totals).with_outputs(STATE, main=PLACE)
        )
        _ = (
            pipeline
            | "NameHistory" >> beam.Create([f"{self._folder}/{HISTORY_FILE}"])
            | "WriteHistory" >> beam.ParDo(WriteHistoryFn(self._plan), AsIter(made[STATE]), totals)
        )
        statistics: PCollection[Any] = made[PLACE]
        return statistics


class ReadHistoryFn(beam.DoFn):
    """Sends the rows of a history to the partitions of their keys, and its hours' totals."""

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(self, history: Any) -> Iterator[Any]:
        tasks = self._plan.history_tasks
        for batch in read_history(history.path, tasks):
            yield TaggedOutput(TOTALS, to_totals(rows_of(batch, None), tasks))
            for number, key_set in enumerate(self._plan.key_sets):
                rows = rows_of(batch, key_set)
                to = partition_by_key(rows.column(KEY), self._plan.config.logs.partitions)
                for partition, message in cut(rows, to):
                    yield (number, partition), message


class MakeStatisticsFn(beam.DoFn):
    """Makes the statistics of one partition of keys and sends them back."""

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(
        self, element: tuple[tuple[int, int], dict[str, Iterable[bytes]]], totals: Totals
    ) -> Iterator[Any]:
        (number, _), messages = element
        plan, key_set = self._plan, self._plan.key_sets[number]
        rows = unpack(messages[KEY_ROWS], key_set.schema)
        state = unpack(messages[STATE], state_schema(plan.history_tasks))
        past, pending = to_past(state, key_set), to_pending(state, key_set)
        until = plan.history.until if plan.history else -1
        histories = Histories(key_set, rows, past, pending, until)
        made = histories.statistics(totals)
        shard = made.column(SHARD).to_numpy().astype(np.int64)
        for partition, message in cut(made, shard):
            yield partition, (number, message)
        end, tasks = max(until, totals.last), plan.history_tasks
        yield TaggedOutput(STATE, to_rows(histories.known_at(end), key_set, tasks))
        yield TaggedOutput(STATE, pending_rows(histories.pending_at(end), key_set, tasks))


class WriteHistoryFn(beam.DoFn):
    """Writes the history of all keys to the one file."""

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(self, path: str, states: Iterable[Any], totals: Totals) -> None:
        until = max(self._plan.history.until if self._plan.history else -1, totals.last)
        write_history(path, states, totals, self._plan.key_sets, until)
