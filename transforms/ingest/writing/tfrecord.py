"""Writes TFRecord files, gzipped, always the same bytes for the same records."""

import zlib
from collections.abc import Iterable

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.writing.wire import by_length
from transforms.storage import write_whole

# Level 6, zlib's own choice, costs four times the CPU for a quarter less of bytes.
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS


def shard_path(folder: str, shard: int, shards: int) -> str:
    """The path of a shard, as TFX names it.

    Example:
        >>> shard_path("/out", 0, 4)
        '/out/data_tfrecord-00000-of-00004.gz'
    """
    return f"{folder}/data_tfrecord-{shard:05d}-of-{shards:05d}.gz"


def write_records(path: str, batches: Iterable[pa.Array]) -> None:
    """Writes records to a gzipped TFRecord file, which appears once it is complete.

    Args:
        path: of the file.
        batches: of records, binary.
    """
    # zlib writes a gzip header without name and time.
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    with write_whole(path) as stream:
        for records in batches:
            stream.write(compressor.compress(frame(records)))
        stream.write(compressor.flush())


def frame(records: pa.Array) -> memoryview:
    """Frames records: length, its checksum, the record, the record's checksum.

    Args:
        records: binary [n], without nulls.
    """
    heads = by_length(pc.binary_length(records), _head)
    checksums = np.fromiter(map(google_crc32c.value, records.to_pylist()), np.uint32, len(records))
    ends = np.arange(0, 4 * len(records) + 1, 4, dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(_mask(checksums).astype("<u4"))]
    tails = pa.Array.from_buffers(pa.binary(), len(records), buffers)
    framed = pc.binary_join_element_wise(heads, records, tails, b"")
    return memoryview(framed.buffers()[2] or b"")[
        : int(pc.sum(pc.binary_length(framed)).as_py() or 0)
    ]


def _head(length: int) -> bytes:
    data = length.to_bytes(8, "little")
    checksum = _mask(np.array([google_crc32c.value(data)], np.uint32))
    return data + checksum.astype("<u4").tobytes()


def _mask(checksums: np.ndarray) -> np.ndarray:
    """TFRecord's masked CRC: rotated, and moved by a constant."""
    return ((checksums >> np.uint32(15)) | (checksums << np.uint32(17))) + np.uint32(0xA282EAD8)
