"""An encoder alone: the impressions as record batches in memory, to serialised tf.Examples.

    python -m benchmarks.ingest.encoders LOGS ENCODER

where ENCODER is `ours`, `tfx_bsl` or `protobuf`. `none` only reads, which is no encoder's work.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ingest.logs import IMPRESSIONS, NUMBERS

_BATCH_ROWS = 16_384


def read_batches(logs: Path) -> Iterator[pa.RecordBatch]:
    """The impressions with their numbers as float32."""
    for path in sorted((logs / IMPRESSIONS).iterdir()):
        table = pq.read_table(path)
        for name in NUMBERS:
            place = table.schema.get_field_index(name)
            numbers = table.column(name).cast(pa.float32(), safe=False)
            table = table.set_column(place, name, numbers)
        yield from table.combine_chunks().to_batches(_BATCH_ROWS)


def encode_ours(batch: pa.RecordBatch) -> None:
    """By `transforms.ingest.writing`, into one buffer."""
    from transforms.ingest.writing.examples import Examples

    examples = Examples(dict(zip(batch.schema.names, batch.columns, strict=True)))
    ends = np.cumsum(examples.sizes)
    examples.write(np.empty(ends[-1], np.uint8), ends - examples.sizes)


def encode_tfx_bsl(batch: pa.RecordBatch) -> None:
    """By what TFX's own Arrow steps use; it takes lists only."""
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    RecordBatchToExamplesEncoder().encode(pa.record_batch([...]))


def main() -> None:
    ...
