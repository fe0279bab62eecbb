"""Dead letters as batches and as Parquet files, in an order that workers do not change."""

import json
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import MAX_DETAIL, MAX_TEXT, Refusal
from transforms.ingest.rows.columns import ROW, SOURCE
from transforms.storage import write_whole

DEAD_LETTER_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
    ]
)
"""kind: impressions | feedback; source: relative path; row: 1-based line (CSV) or row; text: its
first 1,000 characters, of rows that the join refused their keys as JSON; rows: 1, or how many
rows of a block that could not be read."""

DEAD_LETTERS = "dead_letters"
"""The folder of counts and refused rows, beside the splits."""

DEAD_LETTERS_NAME = "dead_letters-"
"""How the name of a file of dead letters begins."""

_ORDER = [(name, "ascending") for name in ("kind", "source", "row", "reason", "detail", "text")]


def make_dead_letters(kind: str, source: str, refused: Sequence[Refusal]) -> pa.RecordBatch:
    """Turns refused rows of one file into a batch of dead letters."""
    columns = [
        [kind] * len(refused),
        [source] * len(refused),
        [refusal.row for refusal in refused],
        [refusal.reason.value for refusal in refused],
        [refusal.detail for refusal in refused],
        [refusal.text[:MAX_TEXT] for refusal in refused],
        [refusal.rows for refusal in refused],
    ]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, DEAD_LETTER_SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=DEAD_LETTER_SCHEMA)


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
        detail = f"{rule}. Received: {text}"[:MAX_DETAIL]
        by_source.setdefault(source, []).append(Refusal(number, reason, detail, text))
    return [make_dead_letters(kind, sources[s], found) for s, found in by_source.items()]


def dead_letters_path(folder: str, shard: int, shards: int) -> str:
    """The path of a shard of dead letters.

    Example:
        >>> dead_letters_path("/out", 0, 4)
        '/out/dead_letters-00000-of-00004.parquet'
    """
    return f"{folder}/{DEAD_LETTERS_NAME}{shard:05d}-of-{shards:05d}.parquet"


def write_dead_letters(path: str, batches: Iterable[pa.RecordBatch]) -> None:
    """Writes dead letters to one file, which appears once it is complete."""
    table = pa.Table.from_batches(batches, DEAD_LETTER_SCHEMA).sort_by(_ORDER)
    with write_whole(path) as stream, pq.ParquetWriter(stream, DEAD_LETTER_SCHEMA) as writer:
        writer.write_table(table)
