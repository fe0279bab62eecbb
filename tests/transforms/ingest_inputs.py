"""Small logs, and readers of records, for the tests of ingestion."""

import gzip
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from transforms.config import DataConfig
from transforms.ingest.writing.examples import Examples, encode_batches
from transforms.ingest.writing.pieces import Pieces

START = 1_767_225_600_000
"""2026-01-01, in milliseconds."""

Row = dict[str, Any]

CLICK = {"kind": "classification", "group": "engagement", "label": {"event": "click"}}
FEATURES = {
    "age": {"of": "user", "kind": "numeric"},
    "country": {"of": "user", "kind": "categorical"},
    "tags": {"of": "item", "kind": "categorical", "multivalued": True},
}


def make_config(
    tasks: Mapping[str, Any] | None = None,
    features: Mapping[str, Any] | None = None,
    **logs: Any,
) -> DataConfig:
    """A config that refuses no run for its dead letters, unless told to."""
    logs.setdefault("dead_letters", {"max_ratio": 1.0})
    logs.setdefault("split", {"by": "request", "eval_fraction": 0.5})
    sections = {
        "logs": {"partitions": 2, **logs},
        "features": features or FEATURES,
        "tasks": tasks or {"click": CLICK},
    }
    return DataConfig.model_validate(sections)


def impression(request: int, item: int = 0, **columns: Any) -> Row:
    """One impression; the request happens `request` seconds after the start."""
    return {
        "request_id": f"r{request}",
        "user_id": f"u{request}",
        "item_id": f"i{item}",
        "timestamp": START + 1000 * request,
        "age": 30.5,
        "country": "de",
        "tags": "a|b",
        **columns,
    }


def feedback(request: int, item: int = 0, **columns: Any) -> Row:
    """One click, a second after the impression."""
    return {
        "request_id": f"r{request}",
        "item_id": f"i{item}",
        "event": "click",
        "value": 1.0,
        "timestamp": START + 1000 * request + 1000,
        **columns,
    }


def impressions(count: int, **columns: Any) -> list[Row]:
    """Impressions of as many requests."""
    return [impression(request, **columns) for request in range(count)]


def write_parquet(path: Path, rows: Sequence[Row], row_group_size: int = 1000) -> None:
    """Writes rows as one Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=row_group_size)


def write_csv(path: Path, rows: Sequence[Row], more: bytes = b"") -> None:
    """Writes rows, and then raw bytes, as one CSV file; gzipped if the name ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(pa.Table.from_pylist(list(rows)), sink)
    content = sink.getvalue().to_pybytes() + more
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, their checksums checked."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    place = 0
    while place < len(data):
        size, size_check = struct.unpack_from("<QI", data, place)
        record = data[place + 12 : place + 12 + size]
        (check,) = struct.unpack_from("<I", data, place + 12 + size)
        assert size_check == _masked(data[place : place + 8])
        assert check == _masked(record)
        yield record
        place += 16 + size


def _masked(data: bytes) -> int:
    check = int(google_crc32c.value(data))
    return (((check >> 15) | (check << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def to_bytes(pieces: Pieces) -> list[bytes]:
    """What is written of each row, nothing of it outside its place."""
    ends = np.cumsum(pieces.sizes)
    data = np.full(int(pieces.sizes.sum()) + 1, 0xEE, np.uint8)
    pieces.write(data, ends - pieces.sizes)
    assert data[-1] == 0xEE
    rows = zip(ends - pieces.sizes, ends, strict=True)
    return [data[start:end].tobytes() for start, end in rows]


def encode(columns: Mapping[str, pa.Array]) -> list[bytes]:
    """Columns as serialised tf.Examples."""
    return to_bytes(Examples(dict(columns)))


def encode_rows(rows: pa.RecordBatch) -> list[bytes]:
    """Rows as serialised tf.Examples, in batches as ingestion makes them."""
    return [record for batch in encode_batches(rows) for record in to_bytes(batch)]


def decode(records: Sequence[bytes]) -> list[Row]:
    """Serialised tf.Examples as dictionaries of lists, without the absent features."""
    if not records:
        return []
    rows = ExamplesToRecordBatchDecoder(None).DecodeBatch(list(records)).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
