"""The Beam step that reads log files and sends checked rows to their partitions."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from transforms.errors import InputError
from transforms.examples import REQUEST_ID, TIMESTAMP
from transforms.ingest.adapters.base import Convert
from transforms.ingest.counting.tally import Tally
from transforms.ingest.dead_letters.files import make_dead_letters
from transforms.ingest.dead_letters.reasons import BLOCKS
from transforms.ingest.joining.splits import Times
from transforms.ingest.plan import IngestPlan, Part
from transforms.ingest.rows.columns import EVENT
from transforms.ingest.rows.messages import Message, cut
from transforms.ingest.rows.partitions import partition_by_request
from transforms.ingest.steps.read_part import Checked, read_part
from transforms.ingest.steps.span_edges import is_in_reach
from transforms.ingest.steps.write_counts import count_in_beam

FEEDBACK, DEAD_LETTERS, TALLIES, TIMES = "feedback", "dead_letters", "tallies", "times"
IMPRESSIONS = "impressions"


class Read(NamedTuple):
    """What comes out of `ReadLogs`.

    Attributes:
        impressions: (partition, message).
        feedback: (partition, message).
        dead_letters: (partition, message).
        tallies: what was read and refused.
        times: histograms of the impressions' times, if the split is by time.
    """

    impressions: PCollection[Any]
    feedback: PCollection[Any]
    dead_letters: PCollection[Any]
    tallies: PCollection[Any]
    times: PCollection[Any]


class ReadLogs(beam.PTransform[Any, Any]):
    """Reads all files of a plan.

    Args:
        plan: of the ingestion.
    """

    def __init__(self, plan: IngestPlan) -> None:
        super().__init__()
        self._plan = plan

    @no_annotations
    def expand(self, pipeline: beam.Pipeline) -> Read:
        read = (
            pipeline
            # Create spreads them. To spread them again, out of an order that is another each
            # time, is what Spark cannot do again after it has lost a worker.
            | "ListParts" >> beam.Create(self._plan.parts())
            | "ReadParts"
            >> beam.ParDo(ReadPartFn(self._plan)).with_outputs(
                FEEDBACK, DEAD_LETTERS, TALLIES, TIMES, main=IMPRESSIONS
            )
        )
        return Read(*(read[tag] for tag in Read._fields))


class ReadPartFn(beam.DoFn):
    """Reads one part of the logs; a broken file is noted in its tally, the rest goes on."""

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan
        self._convert: Convert | None = None

    def process(self, part: Part) -> Iterator[Any]:
        log = self._plan.files[part.source].log
        tally = Tally()
        if not log.is_borrowed:
            tally.add("sources", log.relative, amount=0)
        try:
            if self._convert is None:
                self._convert = self._plan.adapter.open(self._plan.wanted("impressions"))
            for checked in read_part(self._plan, part, self._convert):
                if checked.feedback is not None:
                    tally.see_feedback(checked.feedback.column(TIMESTAMP).to_numpy())
                if log.is_borrowed:
                    yield from self._lend(checked, part, tally)
                else:
                    tally.add("sources", log.relative, amount=checked.rows)
                    yield from self._send(checked, part, tally)
        except InputError as error:
            tally.unreadable[log.relative] = str(error)
        count_in_beam(tally)
        yield TaggedOutput(TALLIES, tally)

    def _send(self, checked: Checked, part: Part, tally: Tally) -> Iterator[Any]:
        if checked.impressions is not None:
            rows = checked.impressions
            tally.add("impressions", "read", amount=rows.num_rows)
            yield from self._cut(rows)
            if self._plan.splits_by_time:
                yield TaggedOutput(TIMES, Times.of(rows.column(TIMESTAMP).to_numpy()))
        if checked.feedback is not None:
            rows = _pick_events(checked, self._plan.config.events, tally)
            yield from (TaggedOutput(FEEDBACK, message) for message in self._cut(rows))
        if checked.refused:
            yield from self._refuse(checked, part, tally)

    def _cut(self, rows: pa.RecordBatch) -> Iterator[tuple[int, Message]]:
        partitions = self._plan.config.logs.partitions
        to = partition_by_request(rows.column(REQUEST_ID), partitions)
        return cut(rows, to, self._plan.shuffle)

    def _lend(self, checked: Checked, part: Part, tally: Tally) -> Iterator[Any]:
        """Sends what may belong to the span; the rest is counted where it is not borrowed."""
        assert checked.feedback is not None
        rows = _pick_events(checked, self._plan.config.events, Tally())
        rows = rows.filter(pa.array(is_in_reach(rows, self._plan)))
        yield from (TaggedOutput(FEEDBACK, message) for message in self._cut(rows))
        self._note_blocks(checked, part, tally)

    def _note_blocks(self, checked: Checked, part: Part, tally: Tally) -> None:
        log = self._plan.files[part.source].log
        for refusal in checked.refused:
            if refusal.reason in BLOCKS:
                tally.unreadable[log.relative] = f"{log.path}: {refusal.detail}"

    def _refuse(self, checked: Checked, part: Part, tally: Tally) -> Iterator[Any]:
        log = self._plan.files[part.source].log
        for refusal in checked.refused:
            for key in ((log.role, "read"), (log.role, "dead")):
                tally.add(*key, amount=refusal.rows)
            tally.add("dead_letters", refusal.reason.value, amount=refusal.rows)
        self._note_blocks(checked, part, tally)
        letters = make_dead_letters(log.role, log.relative, checked.refused)
        partition = letters.column("row").to_numpy() % self._plan.config.logs.partitions
        yield from (TaggedOutput(DEAD_LETTERS, message) for message in cut(letters, partition))


def _pick_events(checked: Checked, events: tuple[str, ...], tally: Tally) -> pa.RecordBatch:
    """Counts all events and keeps those that labels need, as places in `events`."""
    for event in checked.declared:
        tally.add("events", event, amount=0)
    rows = checked.feedback
    assert rows is not None
    for count in pc.value_counts(rows.column(EVENT)).to_pylist():
        if count["values"] in events:
            tally.add("events", count["values"], amount=count["counts"])
        else:
            tally.add_name("events", count["values"], count["counts"])
    places = pc.index_in(rows.column(EVENT), value_set=pa.array(events, pa.string()))
    used = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
    tally.add("feedback", "read", amount=rows.num_rows)
    tally.add("feedback", "unused", amount=rows.num_rows - len(used))
    rows = rows.set_column(rows.schema.get_field_index(EVENT), EVENT, places)
    return rows.take(pa.array(used))
