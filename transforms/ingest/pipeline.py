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
from transforms.engine import is_in_process, make_pipeline, telling_errors
from transforms.errors import GaterankError
from transforms.folders import filling
from transforms.ingest.counting.checks import check_counts
from transforms.ingest.counting.counts import COUNTS_FILE, IngestCounts, read_counts
from transforms.ingest.dead_letters.files import DEAD_LETTERS
from transforms.ingest.make_plan import make_plan
from transforms.ingest.plan import IngestOutputs, IngestPlan
from transforms.ingest.steps.read_logs import ReadLogs
from transforms.ingest.steps.write_counts import WriteCounts
from transforms.ingest.steps.write_examples import WriteExamples
from transforms.storage import in_full, is_uri, remove_attempts, remove_folder, write_whole


def build_ingest(
    pipeline: beam.Pipeline, plan: IngestPlan, outputs: IngestOutputs, shuffle: str | None = None
) -> PCollection[Any]:
    """Adds ingestion to a Beam pipeline.

    Run it by `running`; after that hold `read_counts(outputs.dead_letters)` against the config
    with `check_counts`.

    Args:
        pipeline: on any runner.
        plan: see `make_plan`.
        outputs: the folders to fill.
        shuffle: see `running`.

    Returns:
        One `IngestCounts`.
    """
    plan = plan._replace(shuffle=shuffle)
    read = pipeline | "ReadLogs" >> ReadLogs(plan)
    written = read | "WriteExamples" >> WriteExamples(plan, outputs)
    tallies = (read.tallies, written)
    counts: PCollection[Any] = tallies | "WriteCounts" >> WriteCounts(plan, outputs.dead_letters)
    return counts


@contextlib.contextmanager
def running(pipeline: beam.Pipeline, outputs: IngestOutputs) -> Iterator[str | None]:
    """Runs a pipeline at the end of the block; nothing half-written is left.

    Gives the folder where rows wait for their partition meanwhile. That is beside the dead
    letters, where there is room, for a pipeline inside this process and a local disk; else
    there is none, and the engine carries the rows.

    Args:
        pipeline: to be built in the block.
        outputs: the folders to fill.

    Raises:
        GaterankError: what a worker raised, or if the engine does not answer.
    """
    is_beside = is_in_process(pipeline) and not is_uri(outputs.dead_letters)
    shuffle = Path(outputs.dead_letters) / ".shuffle" if is_beside else None
    try:
        with telling_errors(), pipeline:
            yield str(shuffle) if shuffle else None
    finally:
        if shuffle:
            shutil.rmtree(shuffle, ignore_errors=True)
    for folder in outputs:
        # A killed worker could not.
        remove_attempts(folder)


def run_ingest(
    config: DataConfig,
    logs: str,
    out_dir: str,
    make_beam_pipeline: Callable[[], beam.Pipeline] = make_pipeline,
    history: str | None = None,
    every_split: bool = True,
) -> IngestCounts:
    """Ingests a folder of logs into a folder.

    The folder gets `Split-train`, `Split-eval` and `dead_letters`, all at once at the end: an
    earlier ingestion there is replaced, and a run that dies leaves it as it was. On an object
    store, which cannot do that, the earlier one is removed first. If the counts are refused
    only `dead_letters` is there, to be looked at.

    Args:
        config: logs, features and tasks.
        logs: the folder of the logs; a path or a URI.
        out_dir: the folder to make; a path or a URI.
        make_beam_pipeline: gives the pipeline to run.
        history: the `history.parquet` of an earlier ingestion, which history features of
            later impressions start from.
        every_split: whether each split must have examples, as for training.

    Raises:
        InputError: if logs, config or `out_dir` cannot be used.
        DiskFullError: if there is no room for `out_dir`.
        DeadLetterRatioError: if more rows were refused than the config allows.
    """
    return fill_folder(
        lambda: make_plan(config, logs, history),
        out_dir,
        make_beam_pipeline,
        lambda counts: check_counts(counts, config, every_split),
    )


def fill_folder(
    make: Callable[[], IngestPlan],
    out: str,
    make_beam_pipeline: Callable[[], beam.Pipeline],
    check: Callable[[IngestCounts], None],
    record: tuple[str, bytes] | None = None,
) -> IngestCounts:
    """Runs a plan into a folder, all at once at the end; see `run_ingest`.

    Args:
        make: gives the plan.
        out: the folder to make; a path or a URI.
        make_beam_pipeline: gives the pipeline to run.
        check: raises if the counts are refused.
        record: name and content of a file to put beside the splits, if they are not.
    """
    out = in_full(out)
    refusal: GaterankError | None = None
    with filling(out, f"{DEAD_LETTERS}/{COUNTS_FILE}") as folder:
        splits = (f"{folder}/Split-train", f"{folder}/Split-eval")
        outputs = IngestOutputs(*splits, f"{folder}/{DEAD_LETTERS}")
        plan, pipeline = make(), make_beam_pipeline()
        with running(pipeline, outputs) as shuffle:
            build_ingest(pipeline, plan, outputs, shuffle)
        counts = read_counts(outputs.dead_letters)
        try:
            check(counts)
        except GaterankError as error:
            refusal = type(error)(f"{error}. Counts and refused rows: {out}/{DEAD_LETTERS}")
            for split in splits:
                remove_folder(split)
        if refusal is None and record is not None:
            with write_whole(f"{folder}/{record[0]}") as stream:
                stream.write(record[1])
    if refusal is not None:
        raise refusal
    return counts
