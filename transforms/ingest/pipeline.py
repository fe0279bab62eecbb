"""Ingestion: log files in, sharded tf.Examples, dead letters and counts out.

Only whole Arrow record batches travel between steps. A request's impressions and feedback
meet in one partition; inside it the work is done on whole columns.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from transforms.config import DataConfig
from transforms.engine import is_in_process, make_pipeline
from transforms.errors import GaterankError
from transforms.folders import taking_the_place_of
from transforms.ingest.counting.checks import check_counts
from transforms.ingest.counting.counts import COUNTS_FILE, IngestCounts, read_counts
from transforms.ingest.make_plan import make_plan
from transforms.ingest.plan import IngestOutputs
from transforms.ingest.steps.read_logs import ReadLogs
from transforms.ingest.steps.write_counts import WriteCounts
from transforms.ingest.steps.write_examples import WriteExamples

DEAD_LETTERS = "dead_letters"
"""The folder of counts and refused rows, beside the splits."""


def build_ingest(
    pipeline: beam.Pipeline,
    config: DataConfig,
    logs: str,
    outputs: IngestOutputs,
    history: str | None = None,
    shuffle: str | None = None,
) -> PCollection[Any]:
    """Adds ingestion to a Beam pipeline.

    After the pipeline has run, hold `read_counts(outputs.dead_letters)` against the config
    with `check_counts`.

    Args:
        pipeline: on any runner.
        config: logs, features and tasks.
        logs: the folder of the logs.
        outputs: the folders to fill.
        history: the `history.parquet` of an earlier ingestion, which history features of
            later impressions start from.
        shuffle: see `shuffling_beside`.

    Returns:
        One `IngestCounts`.

    Raises:
        InputError: before anything runs, if the logs cannot be ingested by this config.
    """
    plan = make_plan(config, logs, history)._replace(shuffle=shuffle)
    read = pipeline | "ReadLogs" >> ReadLogs(plan)
    written = read | "WriteExamples" >> WriteExamples(plan, outputs)
    tallies = (read.tallies, written)
    counts: PCollection[Any] = tallies | "WriteCounts" >> WriteCounts(plan, outputs.dead_letters)
    return counts


@contextlib.contextmanager
def shuffling_beside(outputs: IngestOutputs, pipeline: beam.Pipeline) -> Iterator[str | None]:
    """Gives the folder where rows wait for their partition while a pipeline runs.

    That is beside the dead letters, where there is room, for a pipeline inside this process
    and a local disk; else there is none, and the engine carries the rows.

    Args:
        outputs: the folders to fill.
        pipeline: that is to run.
    """
    if not is_in_process(pipeline) or "://" in outputs.dead_letters:
        yield None
        return
    folder = Path(outputs.dead_letters) / ".shuffle"
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_ingest(
    config: DataConfig,
    logs: str,
    out_dir: str,
    make_beam_pipeline: Callable[[], beam.Pipeline] = make_pipeline,
    history: str | None = None,
    every_split: bool = True,
) -> IngestCounts:
    """Ingests a folder of logs into a local folder.

    The folder gets `Split-train`, `Split-eval` and `dead_letters`, all at once at the end: an
    earlier ingestion there is replaced, and a run that dies leaves it as it was. If the
    counts are refused only `dead_letters` is there, to be looked at.

    Args:
        config: logs, features and tasks.
        logs: the folder of the logs.
        out_dir: the folder to make.
        make_beam_pipeline: gives the pipeline to run.
        history: see `build_ingest`.
        every_split: whether each split must have examples, as for training.

    Raises:
        InputError: if logs, config or `out_dir` cannot be used.
        DiskFullError: if there is no room for `out_dir`.
        DeadLetterRatioError: if more rows were refused than the config allows.
    """
    out = Path(out_dir).absolute()
    refusal: GaterankError | None = None
    with taking_the_place_of(out, f"{DEAD_LETTERS}/{COUNTS_FILE}") as partial:
        splits = [partial / "Split-train", partial / "Split-eval"]
        outputs = IngestOutputs(str(splits[0]), str(splits[1]), str(partial / DEAD_LETTERS))
        pipeline = make_beam_pipeline()
        with shuffling_beside(outputs, pipeline) as shuffle, pipeline:
            build_ingest(pipeline, config, logs, outputs, history, shuffle)
        counts = read_counts(outputs.dead_letters)
        try:
            check_counts(counts, config, every_split)
        except GaterankError as error:
            refusal = type(error)(f"{error}. Counts and refused rows: {out / DEAD_LETTERS}")
            for split in splits:
                shutil.rmtree(split)
    if refusal is not None:
        raise refusal
    return counts
