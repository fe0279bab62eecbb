"""The join by DuckDB in SQL, with our encoder and files behind it, without Beam.

    python -m benchmarks.ingest.duckdb_join LOGS OUT GZIP_LEVEL

It leaves out what is no join: checks of the rows, dead letters, duplicates, attribution windows,
an order of the rows, counts.
"""

import sys
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.ingest.logs import FEEDBACK, IMPRESSIONS, LONG_WATCH, NUMBERS
from transforms.examples import SPLITS
from transforms.ingest.writing.examples import encode_batches
from transforms.ingest.writing.tfrecord import shard_path, write_records

_BATCH_ROWS = 100_000
_SQL = f"""
    WITH labels AS (
        SELECT
            request_id,
            item_id,
            coalesce(max(value) FILTER (event = 'click'), 0) > 0 AS click,
            coalesce(max(value) FILTER (event = 'like'), 0) > 0 AS like_,
            coalesce(sum(value) FILTER (event = 'watch_seconds'), 0) AS watched
        FROM read_parquet($feedback)
        GROUP BY ALL
    )
    SELECT
        impressions.* REPLACE ({", ".join(f"{name}::FLOAT AS {name}" for name in NUMBERS)}),
        coalesce(click, false)::FLOAT AS label_click,
        1::FLOAT AS weight_click,
        coalesce(like_, false)::FLOAT AS label_like,
        1::FLOAT AS weight_like,
        (coalesce(watched, 0) >= {LONG_WATCH})::FLOAT AS label_long_watch,
        1::FLOAT AS weight_long_watch,
        ln(1 + coalesce(watched, 0))::FLOAT AS label_watch_seconds,
        1::FLOAT AS weight_watch_seconds,
        hash(user_id) % 10 = 0 AS is_eval
    FROM read_parquet($impressions) impressions
    LEFT JOIN labels USING (request_id, item_id)
"""


def main() -> None:
    """Joins in one thread, and writes a shard a batch and split."""
    logs, out, gzip_level = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    connection = duckdb.connect(config={"threads": 1})
    files = {table: str(logs / table / "*.parquet") for table in (IMPRESSIONS, FEEDBACK)}
    joined = connection.sql(_SQL, params=files).to_arrow_reader(_BATCH_ROWS)
    for number, batch in enumerate(joined):
        is_eval = batch.column("is_eval").to_numpy(zero_copy_only=False)
        batch = batch.drop_columns(["is_eval"])
        for split, flags in zip(SPLITS, (~is_eval, is_eval), strict=True):
            path = shard_path(str(out / f"Split-{split}"), number, 0, gzip_level)
            write_records(path, encode_batches(batch.filter(pa.array(flags))), gzip_level)


if __name__ == "__main__":
    main()
