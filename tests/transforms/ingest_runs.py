"""Runs of ingestion in this process, and what they wrote, for tests that need Beam."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions
from ingest_inputs import Row, decode, feedback, make_config, read_records, write_parquet

from transforms.config import DataConfig
from transforms.examples import SPLITS
from transforms.ingest.counting.counts import IngestCounts
from transforms.ingest.pipeline import run_ingest


def ingest(
    folder: Path,
    config: DataConfig | None = None,
    shown: Sequence[Row] | None = None,
    events: Sequence[Row] | None = None,
) -> IngestCounts:
    """Ingests `folder/logs` into `folder/out`; rows, if given, are written first."""
    logs = folder / "logs"
    if shown is not None:
        write_parquet(logs / "impressions" / "part.parquet", shown)
        write_parquet(logs / "feedback" / "part.parquet", events or [feedback(0)])
    return run_ingest(config or make_config(), str(logs), str(folder / "out"))


def read_examples(folder: Path, splits: Sequence[str] = SPLITS) -> list[Row]:
    """All examples that `ingest` wrote, shard after shard."""
    shards = (p for s in splits for p in sorted((folder / "out" / f"Split-{s}").iterdir()))
    return decode_shards(shards)


def decode_shards(shards: Iterable[Path]) -> list[Row]:
    """The examples of some shards."""
    return [row for shard in shards for row in decode(list(read_records(shard)))]


def read_dead_letters(folder: Path) -> list[Row]:
    """All dead letters that `ingest` wrote, by (source, row)."""
    files = sorted((folder / "out" / "dead_letters").glob("*.parquet"))
    rows = pa.concat_tables([pq.read_table(file) for file in files]).to_pylist()
    return sorted(rows, key=lambda row: (row["source"], row["row"]))


def digest(folder: Path) -> dict[str, str]:
    """File -> hash of its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def make_wide_pipeline() -> beam.Pipeline:
    """A pipeline with several workers."""
    options = ["--direct_num_workers=3", "--direct_running_mode=multi_threading"]
    return beam.Pipeline("FnApiRunner", options=PipelineOptions(options))
