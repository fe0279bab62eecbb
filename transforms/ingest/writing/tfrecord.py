"""Writes TFRecord files, gzipped or plain, always the same bytes for the same records.

A record is framed by its length, 8 bytes, the length's checksum, 4, and after it its own
checksum, 4.
"""

import contextlib
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import google_crc32c
import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from transforms.ingest.rows.arrays import Ints
from transforms.ingest.writing.pieces import Pieces, Prefixes
from transforms.ingest.writing.scatter import Bytes, put
from transforms.storage import write_whole

GZIP_SUFFIX = ".gz"
SHARDS = "data_tfrecord-*-of-*"
"""Pattern of the names of shards."""

_GZIP = 16 + zlib.MAX_WBITS
_HEAD, _TAIL = 12, 4


def shard_path(folder: str, shard: int, shards: int, gzip_level: int) -> str:
    """The path of a shard, as TFX names it.

    Example:
        >>> shard_path("/out", 0, 4, gzip_level=1)
        '/out/data_tfrecord-00000-of-00004.gz'
    """
    suffix = GZIP_SUFFIX if gzip_level else ""
    return f"{folder}/data_tfrecord-{shard:05d}-of-{shards:05d}{suffix}"


def find_shards(folder: Path) -> list[Path]:
    """The shards in a folder, gzipped or plain, in their order."""
    return sorted(folder.glob(SHARDS))


def write_records(path: str, batches: Iterable[Pieces], gzip_level: int) -> None:
    """Writes records to a TFRecord file, which appears once it is complete.

    Args:
        path: of the file.
        batches: of records.
        gzip_level: 0 writes a plain file, up to 3 ISA-L compresses, from 4 on zlib.
    """
    with open_records(path, gzip_level) as write:
        for data in frames(batches):
            write(data.data)


@contextlib.contextmanager
def open_records(path: str, gzip_level: int) -> Iterator[Callable[[bytes | memoryview], object]]:
    """Opens a TFRecord file, and gives what writes records that are framed already.

    Args:
        path: of the file, which appears once it is complete.
        gzip_level: see `write_records`.
    """
    with write_whole(path) as stream:
        if not gzip_level:
            yield stream.write
            return
        # Both write a gzip header without name and time.
        library = isal_zlib if gzip_level <= isal_zlib.ISAL_BEST_COMPRESSION else zlib
        compressor = library.compressobj(gzip_level, zlib.DEFLATED, _GZIP)
        yield lambda data: stream.write(compressor.compress(data))
        stream.write(compressor.flush())


def frames(batches: Iterable[Pieces]) -> Iterator[Bytes]:
    """Writes the records of each batch one after the other, each in its frame.

    All batches are written to the same memory, for new memory costs more than writing to it:
    one is gone when the next is asked for.
    """
    memory = np.empty(0, np.uint8)
    for records in batches:
        size = int(records.sizes.sum()) + (_HEAD + _TAIL) * len(records.sizes)
        if size > len(memory):
            memory = np.empty(size + size // 4, np.uint8)
        data = memory[:size]
        _write_frames(records, data)
        yield data


def _write_frames(records: Pieces, data: Bytes) -> None:
    sizes = records.sizes
    tails = np.cumsum(_HEAD + sizes + _TAIL) - _TAIL
    starts = tails - sizes
    records.write(data, starts)
    Prefixes(sizes, _head).write(data, starts - _HEAD)
    put(data, tails, _checksums(data, sizes).astype("<u4").view("V4"))


def _checksums(data: Bytes, sizes: Ints) -> npt.NDArray[np.uint32]:
    """The masked checksum of each framed record, [n]."""
    steps = np.full(2 * len(sizes), _TAIL + _HEAD)
    steps[:1], steps[1::2] = _HEAD, sizes
    # To read on is the cheapest way to the bytes objects that google_crc32c takes.
    pieces = map(io.BytesIO(data.data).read, steps.tolist())
    values = map(google_crc32c.value, islice(pieces, 1, None, 2))
    return _mask(np.fromiter(values, np.uint32, len(sizes)))


def _head(length: int) -> bytes:
    data = length.to_bytes(8, "little")
    checksum = _mask(np.array([google_crc32c.value(data)], np.uint32))
    return data + checksum.astype("<u4").tobytes()


def _mask(checksums: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """TFRecord's masked CRC: rotated, and moved by a constant."""
    return ((checksums >> np.uint32(15)) | (checksums << np.uint32(17))) + np.uint32(0xA282EAD8)
