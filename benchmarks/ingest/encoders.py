"""An encoder alone: the impressions, in memory as record batches, to serialised tf.Examples.

    python -m benchmarks.ingest.encoders LOGS ENCODER

where ENCODER is `ours`, `tfx_bsl` or `protobuf`, or `none`, which only reads: that is what the
others' CPU seconds have to be less.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ingest.logs import IMPRESSIONS, NUMBERS

Encoder = Callable[[pa.RecordBatch], object]

_BATCH_ROWS = 16_384


def read_batches(logs: Path) -> Iterator[pa.RecordBatch]:
    """The impressions with their numbers as float32, as ingestion has them."""
    for path in sorted((logs / IMPRESSIONS).iterdir()):
        table = pq.read_table(path)
        for name in NUMBERS:
            numbers = table.column(name).cast(pa.float32(), safe=False)
            table = table.set_column(table.schema.get_field_index(name), name, numbers)
        yield from table.combine_chunks().to_batches(_BATCH_ROWS)


def make_ours() -> Encoder:
    """All examples of a batch in one buffer."""
    from transforms.ingest.writing.examples import Examples

    def encode(batch: pa.RecordBatch) -> object:
        examples = Examples(dict(zip(batch.schema.names, batch.columns, strict=True)))
        ends = np.cumsum(examples.sizes)
        data = np.empty(ends[-1], np.uint8)
        examples.write(data, ends - examples.sizes)
        return data

    return encode


def make_tfx_bsl() -> Encoder:
    """What TFX's own steps use; it takes lists only, and bytes for text."""
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    encoder = RecordBatchToExamplesEncoder()

    def as_lists(column: pa.Array) -> pa.Array:
        if pa.types.is_list(column.type):
            return column.cast(pa.list_(pa.binary()))
        if pa.types.is_string(column.type):
            column = column.cast(pa.binary())
        sizes = column.is_valid().to_numpy(zero_copy_only=False)
        ends = pa.array(np.append(0, np.cumsum(sizes)), pa.int32())
        return pa.ListArray.from_arrays(ends, column.drop_null())

    def encode(batch: pa.RecordBatch) -> object:
        columns = [as_lists(column) for column in batch.columns]
        return encoder.encode(pa.record_batch(columns, names=batch.schema.names))

    return encode


def make_protobuf() -> Encoder:
    """A message a row, by the public Python API."""
    import tensorflow as tf

    from benchmarks.ingest.naive_join import to_feature

    def encode(batch: pa.RecordBatch) -> object:
        made = []
        for row in batch.to_pylist():
            features = {name: to_feature(value) for name, value in row.items()}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            made.append(example.SerializeToString())
        return made

    return encode


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "none": lambda: lambda batch: batch,
    "ours": make_ours,
    "tfx_bsl": make_tfx_bsl,
    "protobuf": make_protobuf,
}


def main() -> None:
    """Encodes all impressions and keeps nothing."""
    encode = _ENCODERS[sys.argv[2]]()
    for batch in read_batches(Path(sys.argv[1])):
        encode(batch)


if __name__ == "__main__":
    main()
