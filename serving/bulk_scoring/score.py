"""Scores files of examples on Beam's workers: each file becomes a Parquet file."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from apache_beam.utils.shared import Shared

from serving.bulk_scoring.batches import BatchSize
from serving.bulk_scoring.rows import key_and_label_spec, output_schema, to_table
from serving.bulk_scoring.scorer import ExampleScorer, parse_columns, read_examples
from serving.manifest.keys import VerifyKeys
from transforms.engine import make_pipeline, telling_errors
from transforms.folders import make_folder
from transforms.storage import remove_attempts, write_whole

_BATCH_SECONDS = 0.2
_READ_ROWS = 1024
# Fewer would cost readers more than they save in memory here.
_GROUP_ROWS = 1 << 17


def score_examples(
    model_dir: Path,
    tasks: Sequence[str],
    files: Sequence[Path],
    folder: Path,
    make_beam_pipeline: Callable[[], beam.Pipeline] = make_pipeline,
    keys: VerifyKeys | None = None,
) -> list[Path]:
    """Writes one row an impression: its keys, predictions, labels (null if masked), score.

    Args:
        model_dir: of a SavedModel, or its versions; each worker loads it once.
        tasks: of the ranker.
        files: TFRecord files of tf.Examples; those whose name ends in .gz are gzipped.
        folder: gets a Parquet file for each of them; workers must see it.
        make_beam_pipeline: gives the pipeline to run.
        keys: one of them must have signed the model's manifest; None takes any model.

    Returns:
        The Parquet files, in the order of `files`.

    Raises:
        InputError: if there is no model, or `folder` cannot be written.
        DiskFullError: if there is no room.
    """
    make_folder(folder)
    parts = [folder / f"scores-{i:05d}-of-{len(files):05d}.parquet" for i in range(len(files))]
    work = [(str(file), str(part)) for file, part in zip(files, parts, strict=True)]
    scored = ScoreFilesFn(str(model_dir.absolute()), tasks, keys)
    with telling_errors(), make_beam_pipeline() as pipeline:
        _ = (
            pipeline
            | "ListFiles" >> beam.Create(work)
            | "SpreadFiles" >> beam.Reshuffle()
            | "ScoreFiles" >> beam.ParDo(scored)
        )
    # A killed worker could not.
    remove_attempts(str(folder))
    return parts


def count_rows(parts: Sequence[Path]) -> int:
    """Of Parquet files."""
    return sum(pq.read_metadata(part).num_rows for part in parts)


def join_parts(parts: Sequence[Path], out: Path, tasks: Sequence[str]) -> int:
    """Makes one Parquet file of several, and counts its rows.

    Raises:
        InputError: if it cannot be written.
        DiskFullError: if there is no room.
    """
    with (
        write_whole(str(out)) as stream,
        pq.ParquetWriter(stream, output_schema(tasks), compression="zstd") as writer,
    ):
        for part in parts:
            file = pq.ParquetFile(part)
            for group in range(file.num_row_groups):
                writer.write_table(file.read_row_group(group))
    return count_rows(parts)


class ScoreFilesFn(beam.DoFn):
    """Scores a file; all threads of a process share the model.

    Args:
        model_dir: of the SavedModel.
        tasks: of the ranker.
        keys: see `score_examples`.
    """

    def __init__(
        self, model_dir: str, tasks: Sequence[str], keys: VerifyKeys | None = None
    ) -> None:
        self._model_dir, self._tasks, self._keys = model_dir, tuple(tasks), keys
        self._shared = Shared()

    def setup(self) -> None:
        """Loads the model, unless another thread of this process has."""
        self._scorer = self._shared.acquire(self._load)
        self._size = BatchSize(_BATCH_SECONDS)

    def _load(self) -> ExampleScorer:
        return ExampleScorer(Path(self._model_dir), self._keys)

    def process(self, element: tuple[str, str]) -> None:
        file, part = element
        schema = output_schema(self._tasks)
        with (
            write_whole(part) as stream,
            pq.ParquetWriter(stream, schema, compression="zstd") as writer,
        ):
            for group in _grouped(self._score(file, schema)):
                writer.write_table(group)

    def _score(self, file: str, schema: pa.Schema) -> Iterator[pa.Table]:
        spec = key_and_label_spec(self._tasks)
        for examples in read_sized(file, self._size):
            began = time.perf_counter()
            columns = parse_columns(examples, spec)
            table = to_table(self._tasks, columns, self._scorer(examples), schema)
            if table.num_rows == self._size.rows:
                self._size.took(time.perf_counter() - began)
            yield table


def read_sized(file: str, size: BatchSize) -> Iterator[tf.Tensor]:
    """Serialized examples, so many at a time as `size` says when they are asked for."""
    waiting: list[bytes] = []
    for batch in read_examples([Path(file)], _READ_ROWS):
        waiting += batch.numpy().tolist()
        while len(waiting) >= size.rows:
            rows = size.rows
            yield tf.constant(waiting[:rows])
            del waiting[:rows]
    if waiting:
        yield tf.constant(waiting)


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of enough rows for a row group."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(part.num_rows for part in waiting) >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
