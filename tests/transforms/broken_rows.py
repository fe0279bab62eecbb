"""Broken rows of every kind, hidden among good ones in CSV and in Parquet, for tests.

A row is a dictionary of bytes, so that it can hold whatever a file can. Each file's rows are
shuffled, and `hide` says at which line or row each broken one stands.
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ingest_inputs import START, make_config

from transforms.ingest.adapters.base import Role

Cells = dict[str, bytes]
Place = tuple[str, int]

HEADERS: dict[Role, tuple[str, ...]] = {
    "impressions": (
        *("request_id", "user_id", "item_id", "timestamp"),
        *("position", "age", "country", "tags"),
    ),
    "feedback": ("request_id", "item_id", "event", "value", "timestamp"),
}
CONFIG = make_config(
    features={
        "age": {"of": "user", "kind": "numeric"},
        "country": {"of": "user", "kind": "categorical", "is_in": ["de", "fr"]},
        "tags": {"of": "item", "kind": "categorical", "multivalued": True},
    },
    tasks={
        "click": {"kind": "classification", "group": "all", "label": {"event": "click"}},
        "watch": {
            "kind": "regression",
            "group": "all",
            "label": {"event": "watch", "aggregation": "sum", "transform": "log1p"},
        },
    },
    events=["click", "watch", "hide"],
    dead_letters={"max_ratio": 1.0, "max_unreadable_files": 1},
    clock_skew="1s",
)


def shown(number: int, **cells: bytes) -> Cells:
    """A good impression, but for the cells given."""
    return {
        "request_id": b"r%d" % number,
        "user_id": b"u%d" % (number % 1000),
        "item_id": b"i%d" % (number % 100),
        "timestamp": b"%d" % (START + number),
        "position": b"%d" % (number % 10),
        "age": b"%.1f" % (number % 80),
        "country": (b"de", b"fr", b"")[number % 3],
        "tags": b"a|b",
        **cells,
    }


def done(number: int, **cells: bytes) -> Cells:
    """A good click on an impression, or a watch of it, but for the cells given."""
    return {
        "request_id": b"r%d" % number,
        "item_id": b"i%d" % (number % 100),
        "event": b"watch" if number % 4 else b"click",
        "value": b"1",
        "timestamp": b"%d" % (START + number + 1000),
        **cells,
    }


CELLS: dict[tuple[Role, str], Callable[[int], Cells]] = {
    ("impressions", "wrong_encoding"): lambda n: shown(n, country=b"d\xff"),
    ("impressions", "null_character"): lambda n: shown(n, user_id=b"u\0\0"),
    ("impressions", "missing_key"): lambda n: shown(n, user_id=b""),
    ("impressions", "placeholder_key"): lambda n: shown(n, item_id=b"undefined"),
    ("impressions", "bad_timestamp"): lambda n: shown(n, timestamp=b"yesterday"),
    ("impressions", "timestamp_out_of_range"): lambda n: shown(n, timestamp=b"%d" % 10**16),
    ("impressions", "wrong_type"): lambda n: shown(n, age=b"thirty"),
    ("impressions", "not_whole"): lambda n: shown(n, position=b"1.5"),
    ("impressions", "infinite_value"): lambda n: shown(n, age=b"-inf"),
    ("impressions", "number_too_large"): lambda n: shown(n, age=b"1e39"),
    ("impressions", "negative_value"): lambda n: shown(n, position=b"-1"),
    ("impressions", "value_too_long"): lambda n: shown(n, item_id=b"i" * 1001),
    ("impressions", "list_too_long"): lambda n: shown(n, tags=b"a|" * 10_001),
    ("impressions", "bracketed_list"): lambda n: shown(n, tags=b"['a' 'b']"),
    ("impressions", "unknown_word"): lambda n: shown(n, country=b"xx"),
    # Number 0 is a good row of every log.
    ("impressions", "conflicting_impression"): lambda n: shown(
        0, user_id=b"x%d" % n, timestamp=b"%d" % (START + n)
    ),
    ("feedback", "missing_key"): lambda n: done(n, event=b""),
    ("feedback", "placeholder_key"): lambda n: done(n, request_id=b"null"),
    ("feedback", "nan_value"): lambda n: done(n, value=b"nan"),
    ("feedback", "negative_value"): lambda n: done(n, event=b"watch", value=b"-3"),
    ("feedback", "unknown_event"): lambda n: done(n, event=b"clik"),
    ("feedback", "feedback_before_impression"): lambda n: done(
        0, timestamp=b"%d" % (START - 2000 - n)
    ),
    ("feedback", "feedback_without_impression"): lambda n: done(n, request_id=b"gone%d" % n),
}
"""What a cell can hold in either format: (role, reason) -> the row with a number of its own."""


def cell(value: bytes) -> bytes:
    """A value as CSV has it."""
    is_plain = not set(value) & set(b'",\r\n')
    return value if is_plain else b'"' + value.replace(b'"', b'""') + b'"'


def line(row: Cells) -> bytes:
    """A row as CSV has it."""
    return b",".join(cell(value) for value in row.values())


LINES: dict[str, Callable[[int], bytes]] = {
    "row_too_long": lambda n: line(shown(n, tags=b"a" * (1 << 20))),
    "broken_quoting": lambda n: line(shown(n)).replace(b"|", b'"|', 1),
    "repeated_header": lambda n: ",".join(HEADERS["impressions"]).encode(),
    "too_few_values": lambda n: line(shown(n)).rpartition(b",")[0],
    "too_many_values": lambda n: line(shown(n)) + b",more",
}
"""What only a line of text can be, in a file of impressions."""

KINDS_NOT_WHOLE = {
    "csv": {"unreadable_rest", "row_too_long", "repeated_header"},
    "parquet": {"unreadable_row_group"},
}
"""Format -> the reasons of what is no row, or not held whole."""

BLOCK_ROWS = 50
"""Rows of the row group that cannot be read."""


class Hidden(NamedTuple):
    """What was written.

    Attributes:
        broken: (file, line or row) -> reason.
        impressions: how many good ones there are.
        feedback: how many good rows there are.
    """

    broken: dict[Place, str]
    impressions: int
    feedback: int


def hide(folder: Path, file_format: str, good: int, broken: int, seed: int = 0) -> Hidden:
    """Writes logs of some good impressions, half of them clicked, and some broken rows.

    Args:
        folder: gets the files.
        file_format: `csv` or `parquet`.
        good: how many good impressions.
        broken: how many broken rows, of all kinds in turn.
        seed: of the places.
    """
    rng, found = np.random.default_rng(seed), Hidden({}, good, good // 2)
    write = _write_csv if file_format == "csv" else _write_parquet
    kinds = _kinds(file_format)
    numbers = iter(range(good, good + broken))
    planned: dict[Role, list[tuple[str, Cells | bytes]]] = {"impressions": [], "feedback": []}
    for place, number in enumerate(numbers):
        (role, reason), make = kinds[place % len(kinds)]
        planned[role].append((reason, make(number)))
    rows: dict[Role, Iterator[Cells]] = {
        "impressions": (shown(n) for n in range(good)),
        "feedback": (done(n) for n in range(0, good - good % 2, 2)),
    }
    for role in HEADERS:
        mixed = _mix(rng, list(rows[role]), planned[role])
        source = f"{role}/hidden.{file_format}"
        _write(write, folder / source, role, [row for _, row in mixed])
        first = 2 if file_format == "csv" else 1
        found.broken.update(
            {(source, first + place): reason for place, (reason, _) in enumerate(mixed) if reason}
        )
    more = _break_off(folder) if file_format == "csv" else _break_a_row_group(folder)
    return Hidden(found.broken | more.broken, good + more.impressions, found.feedback)


def _kinds(file_format: str) -> list[tuple[tuple[Role, str], Callable[[int], Cells | bytes]]]:
    lines = [(("impressions", reason), make) for reason, make in LINES.items()]
    return [*CELLS.items(), *(lines if file_format == "csv" else [])]


def _mix(
    rng: np.random.Generator, good: Sequence[Cells], broken: Sequence[tuple[str, Cells | bytes]]
) -> list[tuple[str, Cells | bytes]]:
    rows = [*(("", row) for row in good), *broken]
    return [rows[place] for place in rng.permutation(len(rows))]


def _write(
    write: Callable[[Path, Role, Sequence[Cells | bytes]], None],
    path: Path,
    role: Role,
    rows: Sequence[Cells | bytes],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, role, rows)


def _write_csv(path: Path, role: Role, rows: Sequence[Cells | bytes]) -> None:
    lines = (row if isinstance(row, bytes) else line(row) for row in rows)
    path.write_bytes(b"\n".join([",".join(HEADERS[role]).encode(), *lines, b""]))


def _write_parquet(path: Path, role: Role, rows: Sequence[Cells]) -> None:
    """Columns of text, which is not checked by who writes it."""
    columns = {}
    for name in HEADERS[role]:
        values = pa.array([row[name] or None for row in rows], pa.binary())
        columns[name] = pa.Array.from_buffers(pa.string(), len(values), values.buffers())
    pq.write_table(pa.table(columns), path, row_group_size=5000)


def _break_off(folder: Path) -> Hidden:
    """A gzip that lacks its end, with incompressible words before it."""
    rng = np.random.default_rng(1)
    rows = [shown(10**9 + n, tags=rng.bytes(40).hex().encode()) for n in range(2000)]
    lines = [line(row) for row in rows]
    text = b"\n".join([",".join(HEADERS["impressions"]).encode(), *lines])
    path = folder / "impressions" / "broken_off.csv.gz"
    path.write_bytes(gzip.compress(text, mtime=0)[:-20_000])
    read = 0
    with gzip.open(path) as file:
        try:
            while file.read(1):
                read += 1
        except EOFError:
            pass
    # What is read in pieces is lost from the last whole piece on.
    kept = text[: read // 4096 * 4096].count(b"\n") - 1
    return Hidden({("impressions/broken_off.csv.gz", kept + 2): "unreadable_rest"}, kept, 0)


def _break_a_row_group(folder: Path) -> Hidden:
    """Three row groups, in whose second a page has been overwritten."""
    path = folder / "impressions" / "damaged.parquet"
    rows = [shown(10**9 + n) for n in range(3 * BLOCK_ROWS)]
    columns = {
        name: [row[name].decode() or None for row in rows] for name in HEADERS["impressions"]
    }
    pq.write_table(pa.table(columns), path, row_group_size=BLOCK_ROWS)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    place = ("impressions/damaged.parquet", BLOCK_ROWS + 1)
    return Hidden({place: "unreadable_row_group"}, 2 * BLOCK_ROWS, 0)
