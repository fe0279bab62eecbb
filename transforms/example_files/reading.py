"""Reads files of tf.Examples as record batches: a file is a Beam element, not an example."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from apache_beam.pvalue import PBegin, PCollection
from tensorflow_metadata.proto.v0.schema_pb2 import Schema
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder
from tfx_bsl.tfxio.tensor_representation_util import ProjectTensorRepresentationsInSchema
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

BATCH_ROWS = 1024
PLACE = "gaterank.place"
"""The column that says where a row was read: the file's number and, in it, the row's."""
_ROW_BITS = 40
_BUFFER_BYTES = 4 << 20


def find_example_files(patterns: str | Iterable[str]) -> list[str]:
    """The files that match, in the order of their names.

    Args:
        patterns: of paths, with `*` and `?`.
    """
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))


def split_place(place: int) -> tuple[int, int]:
    """The number of a file and of a row in it, as `PLACE` holds them.

    Example:
        >>> split_place((3 << 40) + 17)
        (3, 17)
    """
    return place >> _ROW_BITS, place & ((1 << _ROW_BITS) - 1)


class ExampleFiles(TFExampleRecord):
    """tfx_bsl's source of tf.Examples, but for how the files are read.

    tfx_bsl's makes an element of each example, which costs several times the decoding.

    Args:
        files: TFRecord files, those whose name ends in `.gz` gzipped.
        schema: of the columns; None takes whatever is there.
        with_places: whether batches get the column `PLACE`, which is no feature.
    """

    def __init__(
        self, files: Sequence[str], schema: Schema | None = None, with_places: bool = False
    ) -> None:
        super().__init__(list(files), schema=schema)
        self._files, self._with_places = list(files), with_places

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:  # noqa: N802
        """A PTransform that gives the record batches of all files."""
        return ReadExamples(self._files, self._schema, self._with_places, batch_size or BATCH_ROWS)

    def ArrowSchema(self) -> pa.Schema:  # noqa: N802
        """The columns of a batch."""
        schema = super().ArrowSchema()
        return schema.append(_PLACE_FIELD) if self._with_places else schema

    def _ProjectImpl(self, tensor_names: list[str]) -> "ExampleFiles":  # noqa: N802
        schema = ProjectTensorRepresentationsInSchema(self._schema, tensor_names)
        return ExampleFiles(self._files, schema, self._with_places)


# What passes through TensorFlow Transform beside the features has to be a list.
_PLACE_FIELD = pa.field(PLACE, pa.list_(pa.int64()))


class ReadExamples(beam.PTransform[Any, Any]):
    """Reads each file in one piece, some at a time on as many workers as there are.

    Args:
        files: their paths.
        schema: see `ExampleFiles`.
        with_places: see `ExampleFiles`.
        batch_size: rows of a record batch, at most.
    """

    def __init__(
        self, files: Sequence[str], schema: Schema | None, with_places: bool, batch_size: int
    ) -> None:
        super().__init__()
        self._files = list(files)
        self._read = ReadFileFn(schema, with_places, batch_size)

    def expand(self, begin: PBegin) -> PCollection[Any]:
        batches: PCollection[Any] = (
            begin
            | "ListFiles" >> beam.Create(list(enumerate(self._files)))
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadFiles" >> beam.ParDo(self._read).with_output_types(pa.RecordBatch)
        )
        return batches


class ReadFileFn(beam.DoFn):
    """Reads a file."""

    def __init__(self, schema: Schema | None, with_places: bool, batch_size: int) -> None:
        self._schema = None if schema is None else schema.SerializeToString()
        self._with_places, self._batch_size = with_places, batch_size

    def setup(self) -> None:
        """Makes the decoder, which no message between processes can hold."""
        self._decoder = ExamplesToRecordBatchDecoder(self._schema)

    def process(self, element: tuple[int, str]) -> Iterator[pa.RecordBatch]:
        number, path = element
        row = 0
        for records in _read_records(path, self._batch_size):
            batch = self._decoder.DecodeBatch(records)
            if self._with_places:
                batch = _with_places(batch, number, row)
            row += len(records)
            yield batch


def _read_records(path: str, batch_size: int) -> Iterator[list[bytes]]:
    compression = "GZIP" if path.endswith(".gz") else ""
    records = tf.data.TFRecordDataset(path, compression, _BUFFER_BYTES).batch(batch_size)
    options = tf.data.Options()
    # Workers are there already, one for each core that Beam may use.
    options.threading.private_threadpool_size = 1
    for batch in records.with_options(options).as_numpy_iterator():
        yield batch.tolist()


def _with_places(batch: pa.RecordBatch, number: int, row: int) -> pa.RecordBatch:
    places = np.arange(batch.num_rows) + ((number << _ROW_BITS) + row)
    offsets = np.arange(batch.num_rows + 1, dtype=np.int32)
    lists = pa.ListArray.from_arrays(offsets, pa.array(places, pa.int64()))
    return batch.append_column(_PLACE_FIELD, lists)
