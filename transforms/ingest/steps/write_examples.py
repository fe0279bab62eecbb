"""The Beam step that turns each partition into its shards."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from transforms.examples import SPLITS
from transforms.ingest.counting.tally import Tally
from transforms.ingest.dead_letters.files import (
    DEAD_LETTER_SCHEMA,
    dead_letters_path,
    write_dead_letters,
)
from transforms.ingest.plan import IngestOutputs, IngestPlan
from transforms.ingest.rows.messages import Message, read_batches, send, unpack
from transforms.ingest.steps.add_history import add_history
from transforms.ingest.steps.find_eval_start import FindEvalStartFn
from transforms.ingest.steps.history_messages import key_messages, label_totals
from transforms.ingest.steps.make_histories import KEY_ROWS, TOTALS, HistoryInputs, MakeHistories
from transforms.ingest.steps.partition import Labelled, label_partition, split_examples
from transforms.ingest.steps.read_logs import DEAD_LETTERS, FEEDBACK, IMPRESSIONS, Read
from transforms.ingest.steps.write_counts import count_in_beam
from transforms.ingest.writing.examples import encode_batches
from transforms.ingest.writing.tfrecord import shard_path, write_records

_NEVER = 2**63 - 1
"""By time, all examples of a span are in its train split: a window moves them as a whole."""

_PARTITIONS, _EXAMPLES, _HISTORIES, _TALLIES = "partitions", "examples", "histories", "tallies"


class WriteExamples(beam.PTransform[Any, Any]):
    """Writes the shards of all splits and the dead letters; gives the tallies.

    Every partition writes one file in each folder, if need be one without rows. Only with
    history features do labelled rows make the detour by the partitions of their keys.

    Args:
        plan: of the ingestion.
        outputs: the folders.
    """

    def __init__(self, plan: IngestPlan, outputs: IngestOutputs) -> None:
        super().__init__()
        self._plan = plan
        self._outputs = outputs

    @no_annotations
    def expand(self, read: Read) -> PCollection[Any]:
        logs = self._plan.config.logs
        pipeline = read.impressions.pipeline
        everyone = [(partition, b"") for partition in range(logs.partitions)]
        rows = {
            IMPRESSIONS: read.impressions,
            FEEDBACK: read.feedback,
            DEAD_LETTERS: read.dead_letters,
            _PARTITIONS: pipeline | "ListPartitions" >> beam.Create(everyone),
        }
        eval_from: Any = _NEVER if self._plan.span is not None else None
        if self._plan.splits_by_time:
            first = read.times | "FindEvalStart" >> beam.CombineGlobally(
                FindEvalStartFn(logs.split)
            )
            eval_from = AsSingleton(first)
        grouped = rows | "GroupByPartition" >> beam.CoGroupByKey()
        if self._plan.key_sets:
            return self._with_history(grouped, eval_from)
        write = WritePartitionFn(self._plan, self._outputs)
        tallies: PCollection[Any] = grouped | "WritePartitions" >> beam.ParDo(write, eval_from)
        return tallies

    def _with_history(self, grouped: PCollection[Any], eval_from: Any) -> PCollection[Any]:
        label = LabelPartitionFn(self._plan, self._outputs)
        labelled = grouped | "LabelPartitions" >> beam.ParDo(label).with_outputs(
            KEY_ROWS, TOTALS, _TALLIES, main=_EXAMPLES
        )
        inputs = HistoryInputs(labelled[KEY_ROWS], labelled[TOTALS])
        make = MakeHistories(self._plan, self._outputs.dead_letters)
        histories = inputs | "MakeHistories" >> make
        write = WriteWithHistoryFn(self._plan, self._outputs)
        written = (
            {_EXAMPLES: labelled[_EXAMPLES], _HISTORIES: histories}
            | "GroupHistories" >> beam.CoGroupByKey()
            | "WriteWithHistories" >> beam.ParDo(write, eval_from)
        )
        tallies: PCollection[Any] = (labelled[_TALLIES], written) | "Tallies" >> beam.Flatten()
        return tallies


class _WriterFn(beam.DoFn):
    """What writes the shards of one partition."""

    def __init__(self, plan: IngestPlan, outputs: IngestOutputs) -> None:
        self._plan = plan
        self._outputs = outputs

    def _label(self, messages: dict[str, Iterable[Message]]) -> Labelled:
        return label_partition(
            self._plan,
            unpack(messages[IMPRESSIONS], self._plan.schema("impressions")),
            unpack(messages[FEEDBACK], self._plan.schema("feedback")),
        )

    def _write_dead_letters(
        self, partition: int, messages: Iterable[Message], found: list[pa.RecordBatch]
    ) -> None:
        shards = self._plan.config.logs.partitions
        path = dead_letters_path(self._outputs.dead_letters, partition, shards)
        write_dead_letters(path, [unpack(messages, DEAD_LETTER_SCHEMA), *found])

    def _write_examples(
        self, partition: int, examples: pa.RecordBatch, eval_from: int | None, tally: Tally
    ) -> None:
        logs = self._plan.config.logs
        splits = split_examples(examples, self._plan.config, eval_from, tally)
        for split, folder in zip(SPLITS, (self._outputs.train, self._outputs.eval), strict=True):
            path = shard_path(folder, partition, logs.partitions, logs.gzip_level)
            write_records(path, encode_batches(splits[split]), logs.gzip_level)


class WritePartitionFn(_WriterFn):
    """Joins, labels, splits, encodes and writes one partition."""

    def process(
        self, element: tuple[int, dict[str, Iterable[Message]]], eval_from: int | None
    ) -> Iterator[Tally]:
        partition, messages = element
        labelled = self._label(messages)
        self._write_examples(partition, labelled.examples, eval_from, labelled.tally)
        self._write_dead_letters(partition, messages[DEAD_LETTERS], labelled.dead_letters)
        count_in_beam(labelled.tally)
        yield labelled.tally


class LabelPartitionFn(_WriterFn):
    """Joins and labels one partition, writes its dead letters, and tells its keys."""

    def process(self, element: tuple[int, dict[str, Iterable[Message]]]) -> Iterator[Any]:
        partition, messages = element
        labelled = self._label(messages)
        self._write_dead_letters(partition, messages[DEAD_LETTERS], labelled.dead_letters)
        yield from send([(partition, labelled.examples)], self._plan.shuffle)
        yield TaggedOutput(TOTALS, label_totals(self._plan, labelled))
        for message in key_messages(self._plan, partition, labelled):
            yield TaggedOutput(KEY_ROWS, message)
        count_in_beam(labelled.tally)
        yield TaggedOutput(_TALLIES, labelled.tally)


class WriteWithHistoryFn(_WriterFn):
    """Adds the history to the examples of one partition, splits, encodes and writes them."""

    def process(
        self, element: tuple[int, dict[str, Iterable[Any]]], eval_from: int | None
    ) -> Iterator[Tally]:
        partition, messages = element
        (message,), tally = messages[_EXAMPLES], Tally()
        (examples,) = read_batches(message)
        examples = add_history(self._plan, examples, messages[_HISTORIES])
        for feature in self._plan.config.history_features:
            tally.add("missing", feature, amount=examples.column(feature).null_count)
        self._write_examples(partition, examples, eval_from, tally)
        count_in_beam(tally)
        yield tally
