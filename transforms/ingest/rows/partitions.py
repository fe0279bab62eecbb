"""Which partition a row belongs to, and the form in which rows travel there."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from transforms.ingest.rows.arrays import Ints, join_batches
from transforms.ingest.rows.hashing import hash_text

_SALT = "partition:"


def partition_by_request(request_ids: pa.Array, partitions: int) -> Ints:
    """The partition of each request, so that an impression meets its feedback there.

    Example:
        >>> partition_by_request(pa.array(["r1", "r1"]), 4).tolist()
        [1, 1]
    """
    return (hash_text(request_ids, _SALT) % np.uint64(partitions)).astype(np.int64)


def partition_by_key(keys: pa.Array, partitions: int) -> Ints:
    """The partition of each key: all impressions of a key meet there.

    Example:
        >>> partition_by_key(pa.array([5, 6], pa.uint64()), 4).tolist()
        [1, 2]
    """
    remainder: Ints = (keys.to_numpy() % np.uint64(partitions)).astype(np.int64)
    return remainder


def cut(rows: pa.RecordBatch, partition: Ints) -> Iterator[tuple[int, bytes]]:
    """Cuts rows into one message a partition.

    Args:
        rows: [n].
        partition: of each row, [n].
    """
    order = np.argsort(partition, kind="stable")
    rows = rows.take(pa.array(order))
    numbers, starts = np.unique(partition[order], return_index=True)
    bounds = np.append(starts, len(order))
    for number, start, end in zip(numbers.tolist(), bounds[:-1], bounds[1:], strict=True):
        yield number, pack(rows.slice(start, end - start))


def pack(rows: pa.RecordBatch) -> bytes:
    """Writes rows as an Arrow IPC stream: of a slice, only its own rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return bytes(sink.getvalue().to_pybytes())


def unpack(messages: Iterable[bytes], schema: pa.Schema) -> pa.RecordBatch:
    """Reads messages into one batch; without messages, one without rows."""
    batches = [batch for message in messages for batch in pa.ipc.open_stream(message)]
    return join_batches(batches, schema)
