"""The Beam step that turns each partition into its shards."""

from collections import defaultdict
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
from transforms.ingest.rows.slices import Runs, gathering
from transforms.ingest.steps.add_history import add_history
from transforms.ingest.steps.find_eval_start import FindEvalStartFn
from transforms.ingest.steps.history_messages import key_messages, label_totals
from transforms.ingest.steps.label_pieces import label_pieces
from transforms.ingest.steps.make_histories import KEY_ROWS, TOTALS, HistoryInputs, MakeHistories
from transforms.ingest.steps.partition import Labelled, pick_split
from transforms.ingest.steps.read_logs import DEAD_LETTERS, FEEDBACK, IMPRESSIONS, Read
from transforms.ingest.steps.write_counts import count_in_beam
from transforms.ingest.writing.examples import Examples, encode_batches
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

    def _label(self, messages: dict[str, Iterable[Message]]) -> Iterator[Labelled]:
        return label_pieces(self._plan, messages[IMPRESSIONS], messages[FEEDBACK])

    def _write_dead_letters(
        self, partition: int, messages: Iterable[Message], found: list[pa.RecordBatch]
    ) -> None:
        shards = self._plan.config.logs.partitions
        path = dead_letters_path(self._outputs.dead_letters, partition, shards)
        write_dead_letters(path, [unpack(messages, DEAD_LETTER_SCHEMA), *found])

    def _write_examples(
        self,
        partition: int,
        pieces: Iterable[pa.RecordBatch],
        eval_from: int | None,
        tally: Tally,
    ) -> None:
        logs = self._plan.config.logs
        # Once for each split; of several pieces only the files hold them all.
        with gathering(pieces, self._plan.max_rows, self._plan.shuffle) as runs:
            for split, folder in zip(SPLITS, self._outputs[: len(SPLITS)], strict=True):
                path = shard_path(folder, partition, logs.partitions, logs.gzip_level)
                write_records(path, self._encode(split, runs, eval_from, tally), logs.gzip_level)

    def _encode(
        self, split: str, runs: Runs, eval_from: int | None, tally: Tally
    ) -> Iterator[Examples]:
        for rows in runs:
            yield from encode_batches(pick_split(split, rows, self._plan.config, eval_from, tally))


class WritePartitionFn(_WriterFn):
    """Joins, labels, splits, encodes and writes one partition."""

    def process(
        self, element: tuple[int, dict[str, Iterable[Message]]], eval_from: int | None
    ) -> Iterator[Tally]:
        partition, messages = element
        tally = Tally()
        dead_letters: list[pa.RecordBatch] = []

        def examples() -> Iterator[pa.RecordBatch]:
            for labelled in self._label(messages):
                tally.merge([labelled.tally])
                dead_letters.extend(labelled.dead_letters)
                yield labelled.examples

        self._write_examples(partition, examples(), eval_from, tally)
        self._write_dead_letters(partition, messages[DEAD_LETTERS], dead_letters)
        count_in_beam(tally)
        yield tally


class LabelPartitionFn(_WriterFn):
    """Joins and labels one partition, writes its dead letters, and tells its keys."""

    def process(self, element: tuple[int, dict[str, Iterable[Message]]]) -> Iterator[Any]:
        partition, messages = element
        tally = Tally()
        dead_letters: list[pa.RecordBatch] = []
        for piece, labelled in enumerate(self._label(messages)):
            for _, message in send([(partition, labelled.examples)], self._plan.shuffle):
                yield partition, (piece, message)
            yield TaggedOutput(TOTALS, label_totals(self._plan, labelled))
            shard = piece * self._plan.config.logs.partitions + partition
            for told in key_messages(self._plan, shard, labelled):
                yield TaggedOutput(KEY_ROWS, told)
            tally.merge([labelled.tally])
            dead_letters += labelled.dead_letters
        self._write_dead_letters(partition, messages[DEAD_LETTERS], dead_letters)
        count_in_beam(tally)
        yield TaggedOutput(_TALLIES, tally)


class WriteWithHistoryFn(_WriterFn):
    """Adds the history to the examples of one partition, splits, encodes and writes them."""

    def process(
        self, element: tuple[int, dict[str, Iterable[Any]]], eval_from: int | None
    ) -> Iterator[Tally]:
        partition, messages = element
        tally = Tally()
        pieces = self._with_history(messages[_EXAMPLES], messages[_HISTORIES], tally)
        self._write_examples(partition, pieces, eval_from, tally)
        count_in_beam(tally)
        yield tally

    def _with_history(
        self, examples: Iterable[Any], histories: Iterable[Any], tally: Tally
    ) -> Iterator[pa.RecordBatch]:
        told = defaultdict(list)
        for piece, number, message in histories:
            told[piece].append((number, message))
        for piece, message in sorted(examples, key=lambda found: found[0]):
            (rows,) = read_batches(message)
            rows = add_history(self._plan, rows, told[piece])
            for feature in self._plan.config.history_features:
                tally.add("missing", feature, amount=rows.column(feature).null_count)
            yield rows
