"""The Beam step that turns each partition into its shards."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import AsSingleton, PCollection
from apache_beam.typehints.decorators import no_annotations

from transforms.examples import SPLITS
from transforms.ingest.dead_letters import dead_letters_path, write_dead_letters
from transforms.ingest.partition import encode_batches, process_partition
from transforms.ingest.plan import IngestPlan
from transforms.ingest.read_logs import DEAD_LETTERS, FEEDBACK, IMPRESSIONS, Read
from transforms.ingest.rows import DEAD_LETTERS as DEAD_LETTERS_SCHEMA
from transforms.ingest.shuffle import unpack
from transforms.ingest.splits import Times
from transforms.ingest.tally import Tally
from transforms.ingest.tfrecord import shard_path, write_records
from transforms.ingest.write_counts import count_in_beam
from transforms.logs import Split

_PARTITIONS = "partitions"


class IngestOutputs(NamedTuple):
    """The folders that ingestion fills.

    Attributes:
        train: shards of the train split.
        eval: shards of the eval split.
        dead_letters: refused rows, and `counts.json`, which is written last.
    """

    train: str
    eval: str
    dead_letters: str


class WriteExamples(beam.PTransform[Any, Any]):
    """Writes the shards of all splits and the dead letters; gives the tallies.

    Every partition writes one file in each folder, if need be one without rows.

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
        eval_from = None
        if logs.split.by == "time":
            first = read.times | "FindEvalStart" >> beam.CombineGlobally(
                FindEvalStartFn(logs.split)
            )
            eval_from = AsSingleton(first)
        write = WritePartitionFn(self._plan, self._outputs)
        tallies: PCollection[Any] = (
            rows
            | "GroupByPartition" >> beam.CoGroupByKey()
            | "WritePartitions" >> beam.ParDo(write, eval_from)
        )
        return tallies


class WritePartitionFn(beam.DoFn):
    """Joins, labels, splits, encodes and writes one partition."""

    def __init__(self, plan: IngestPlan, outputs: IngestOutputs) -> None:
        self._plan = plan
        self._outputs = outputs

    def process(
        self, element: tuple[int, dict[str, Iterable[bytes]]], eval_from: int | None
    ) -> Iterator[Tally]:
        partition, messages = element
        shards = self._plan.config.logs.partitions
        processed = process_partition(
            self._plan,
            unpack(messages[IMPRESSIONS], self._plan.schema("impressions")),
            unpack(messages[FEEDBACK], self._plan.schema("feedback")),
            eval_from,
        )
        for split, folder in zip(SPLITS, (self._outputs.train, self._outputs.eval), strict=True):
            path = shard_path(folder, partition, shards)
            write_records(path, encode_batches(processed.examples[split]))
        letters = unpack(messages[DEAD_LETTERS], DEAD_LETTERS_SCHEMA)
        path = dead_letters_path(self._outputs.dead_letters, partition, shards)
        write_dead_letters(path, [letters, *processed.dead_letters])
        count_in_beam(processed.tally)
        yield processed.tally


class FindEvalStartFn(beam.CombineFn):
    """Adds up histograms of the times read and finds the first millisecond of the eval split."""

    def __init__(self, split: Split) -> None:
        super().__init__()
        self._split = split

    def create_accumulator(self) -> Times:
        return Times.of(np.array([], np.int64))

    def add_input(self, accumulator: Times, times: Times) -> Times:
        return accumulator.plus(times)

    def merge_accumulators(self, accumulators: Iterable[Times]) -> Times:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = merged.plus(accumulator)
        return merged

    def extract_output(self, accumulator: Times) -> int:
        return accumulator.eval_from(self._split)
