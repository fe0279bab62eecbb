"""Writes dead letters: Parquet files, in an order that does not depend on the workers."""

import json
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.ingest.fields import ROW, SOURCE
from transforms.ingest.reasons import Reason
from transforms.ingest.rows import DEAD_LETTERS, Refusal, make_dead_letters
from transforms.ingest.storage import write_whole

_ORDER = [(name, "ascending") for name in ("kind", "source", "row", "reason", "detail", "text")]


def dead_letters_path(folder: str, shard: int, shards: int) -> str:
    """The path of a shard of dead letters.

    Example:
        >>> dead_letters_path("/out", 0, 4)
        '/out/dead_letters-00000-of-00004.parquet'
    """
    return f"{folder}/dead_letters-{shard:05d}-of-{shards:05d}.parquet"


def write_dead_letters(path: str, batches: Iterable[pa.RecordBatch]) -> None:
    """Writes dead letters to one file, which appears once it is complete."""
    table = pa.Table.from_batches(batches, DEAD_LETTERS).sort_by(_ORDER)
    with write_whole(path) as stream, pq.ParquetWriter(stream, DEAD_LETTERS) as writer:
        writer.write_table(table)


def refuse_rows(
    kind: str, rows: pa.RecordBatch, reason: Reason, rule: str, sources: tuple[str, ...]
) -> list[pa.RecordBatch]:
    """Makes dead letters of rows that passed all checks of their own, but not the join.

    Args:
        kind: impressions or feedback.
        rows: with `source` and `row`; the other columns are the text.
        reason: the code.
        rule: what should have held.
        sources: the files by their number.
    """
    by_source: dict[int, list[Refusal]] = {}
    for row in rows.to_pylist():
        source, number = row.pop(SOURCE), row.pop(ROW)
        text = json.dumps(row, ensure_ascii=False)
        detail = f"{rule}. Received: {text}"[:300]
        by_source.setdefault(source, []).append(Refusal(number, reason, detail, text))
    return [make_dead_letters(kind, sources[s], found) for s, found in by_source.items()]
