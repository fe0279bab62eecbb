"""Writes record batches as tf.Examples, in the files and the order they were read in."""

import contextlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from tensorflow_metadata.proto.v0.schema_pb2 import Schema
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from transforms.example_files.reading import PLACE, split_place
from transforms.ingest.writing.pieces import Values
from transforms.ingest.writing.tfrecord import frames, open_records

_GZIP_LEVEL = 1


class WriteExamples(beam.PTransform[Any, Any]):
    """Writes what TensorFlow Transform makes of the batches of `ExampleFiles` with places.

    A file with examples that was read becomes one file, `<prefix>-<number>-of-<files>.gz`,
    whose rows keep their order. Without any example there is one file, which is empty.

    Args:
        schema: of the columns.
        prefix: of the paths.
        files: how many were read.
    """

    def __init__(self, schema: Schema, prefix: str, files: int) -> None:
        super().__init__()
        self._schema, self._prefix, self._files = schema, prefix, files

    def expand(self, batches: PCollection[Any]) -> PCollection[Any]:
        write = WriteFilesFn(self._schema, self._prefix, self._files)
        count: PCollection[Any] = (
            batches
            | "WriteFiles" >> beam.ParDo(write)
            | "CountFiles" >> beam.combiners.Count.Globally()
            | "WriteEmpty" >> beam.Map(_write_empty, f"{self._prefix}-00000-of-00000.gz")
        )
        return count


class WriteFilesFn(beam.DoFn):
    """Writes the batches of a file to a file, and gives its path.

    All batches of a file are in a bundle and in order, for what reads a file and what follows
    is one stage. Of a stage that was cut in two this here would end in an error.
    """

    def __init__(self, schema: Schema, prefix: str, files: int) -> None:
        self._schema, self._prefix, self._files = schema, prefix, files

    def setup(self) -> None:
        """Makes the encoder, which no message between processes can hold."""
        self._encoder = RecordBatchToExamplesEncoder(self._schema)

    def start_bundle(self) -> None:
        """No file is open."""
        self._open = contextlib.ExitStack()
        self._path, self._next = "", (-1, 0)

    def process(self, element: tuple[pa.RecordBatch, dict[str, pa.Array]]) -> Iterator[str]:
        batch, _ = element
        place = split_place(batch.column(PLACE)[0].as_py()[0])
        if place != self._next:
            assert place[1] == 0, f"{place}: no batch of this file may be elsewhere"
            yield from self._close()
            self._path = f"{self._prefix}-{place[0]:05d}-of-{self._files:05d}.gz"
            self._write = self._open.enter_context(open_records(self._path, _GZIP_LEVEL))
        self._next = place[0], place[1] + batch.num_rows
        records = self._encoder.encode(batch.drop_columns([PLACE]))
        for data in frames([Values(pa.array(records, pa.binary()))]):
            self._write(data.data)

    def finish_bundle(self) -> Iterator[Any]:
        """Completes the last file. One of a bundle that fails never appears."""
        for path in self._close():
            yield WindowedValue(path, 0, [GlobalWindow()])

    def _close(self) -> Iterator[str]:
        self._open.close()
        if self._path:
            yield self._path
        self._path = ""


def _write_empty(files: int, path: str) -> int:
    if not files:
        with open_records(path, _GZIP_LEVEL):
            pass
    return files
