"""The Beam steps that make histories: by request, then by key, then by request again."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from transforms.ingest.history.keys import KEY, PLACE
from transforms.ingest.history.past import rows_of, state_schema
from transforms.ingest.history.priors import Totals
from transforms.ingest.history.state import (
    HISTORY_FILE,
    fit,
    read_history,
    to_totals,
    write_history,
)
from transforms.ingest.plan import IngestPlan
from transforms.ingest.rows.messages import Message, cut, send, unpack
from transforms.ingest.rows.partitions import partition_by_key
from transforms.ingest.rows.slices import gathering
from transforms.ingest.steps.key_partition import KeyPartition
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

    Gives (partition of the request, (piece of it, number of the key set, message)).

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
        plan = self._plan
        for batch in read_history(history.path, plan.key_sets):
            yield TaggedOutput(TOTALS, to_totals(rows_of(batch, None), plan.mean_tasks))
            for number, key_set in enumerate(plan.key_sets):
                rows = fit(rows_of(batch, key_set), state_schema([key_set]))
                to = partition_by_key(rows.column(KEY), plan.config.logs.partitions)
                for partition, message in cut(rows, to, plan.shuffle):
                    yield (number, partition), message


class MakeStatisticsFn(beam.DoFn):
    """Makes the statistics of one partition of keys and sends them back."""

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(
        self, element: tuple[tuple[int, int], dict[str, Iterable[Message]]], totals: Totals
    ) -> Iterator[Any]:
        key, messages = element
        plan, key_set = self._plan, self._plan.key_sets[key[0]]
        state = unpack(messages[STATE], state_schema([key_set]))
        with gathering(messages[KEY_ROWS], plan.max_rows, plan.shuffle) as runs:
            until = plan.history.until if plan.history else -1
            keys = KeyPartition(key_set, runs, state, until, plan.max_rows)
            for told in keys.statistics(totals):
                for shard, message in send(told, plan.shuffle):
                    piece, partition = divmod(shard, plan.config.logs.partitions)
                    yield partition, (piece, key[0], message)
        for _, message in send([(0, keys.state_at(max(until, totals.last)))], plan.shuffle):
            yield TaggedOutput(STATE, (key, message))


class WriteHistoryFn(beam.DoFn):
    """Writes the history of all keys to the one file."""

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(
        self, path: str, states: Iterable[tuple[tuple[int, int], Message]], totals: Totals
    ) -> None:
        key_sets = self._plan.key_sets
        until = max(self._plan.history.until if self._plan.history else -1, totals.last)
        # One partition of keys after the other, whatever the order in which they come.
        rows = (
            unpack([message], state_schema([key_sets[number]]))
            for (number, _), message in sorted(states, key=lambda state: state[0])
        )
        write_history(path, rows, totals, key_sets, until)
