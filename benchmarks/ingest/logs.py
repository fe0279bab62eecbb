"""Logs of any size to ingest: impressions of 16 columns of all kinds, and feedback on them.

They are noise, but of the shape of real logs: requests of ten candidates, users and items that
come back, missing numbers, lists. A file that is there is not made again, so that a run which
was cut short goes on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import yaml

FileFormat = Literal["parquet", "csv"]
Ints = npt.NDArray[np.int64]

IMPRESSIONS, FEEDBACK = "impressions", "feedback"
CONFIG_FILE = "ranker-gzip{level}.yaml"
FEEDBACK_RATIO = 0.6
EVENTS = ("click", "watch_seconds", "like")
LONG_WATCH = 40.0
NUMBERS = ("age", "daily_minutes", "account_days", "curiosity", "duration_seconds", "quality")
WORDS = {
    "segment": ("student", "commuter", "parent", "expert", "gamer", "retiree"),
    "device": ("phone", "tablet", "desktop", "tv"),
    "network": ("wifi", "4g", "5g", "wired"),
    "category": ("comedy", "cooking", "fitness", "games", "music", "news", "science", "travel"),
}
TAGS = ("beginner", "classic", "costume", "family", "festival", "handmade", "live", "local")

_FILE_ROWS = 250_000
_PARTITION_ROWS = 100_000
_CANDIDATES = 10
_USERS, _ITEMS = 5_000_000, 50_000
_START, _REQUEST_MS, _HOUR_MS = 1_767_225_600_000, 700, 3_600_000


def make_logs(work: Path, rows: int, file_format: FileFormat) -> Path:
    """Makes the logs of one size and format, or finds them.

    Args:
        work: a folder for logs of all sizes.
        rows: impressions; there are 0.6 rows of feedback to each.
        file_format: of the files.

    Returns:
        A folder with `impressions` and `feedback`.
    """
    folder = work / str(rows) / file_format
    for number, first in enumerate(range(0, rows, _FILE_ROWS)):
        size = min(_FILE_ROWS, rows - first)
        for table, make in _TABLES.items():
            path = folder / table / f"part-{number:05d}.{file_format}"
            if not path.exists():
                _write(make(np.random.default_rng([number, size]), first, size), path)
    return folder


def write_config(folder: Path, rows: int, gzip_level: int) -> Path:
    """Writes the YAML that ingests so many impressions."""
    partitions = max(1, round(rows / _PARTITION_ROWS))
    document = {
        "name": "ingest",
        "logs": {"partitions": partitions, "gzip_level": gzip_level},
        "features": _features(),
        "tasks": _tasks(),
        "score": "click + like",
    }
    path = folder / CONFIG_FILE.format(level=gzip_level)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def _features() -> dict[str, Any]:
    return {
        **{name: {"of": "context", "kind": "numeric"} for name in NUMBERS},
        **{name: {"of": "context", "kind": "categorical"} for name in WORDS},
        "tags": {"of": "item", "kind": "categorical", "multivalued": True},
    }


def _tasks() -> dict[str, Any]:
    watch = {"event": "watch_seconds", "aggregation": "sum"}
    labels: dict[str, dict[str, Any]] = {
        "click": {"event": "click"},
        "like": {"event": "like"},
        "long_watch": {**watch, "at_least": LONG_WATCH},
        "watch_seconds": {**watch, "transform": "log1p"},
    }
    kinds = dict.fromkeys(labels, "classification") | {"watch_seconds": "regression"}
    return {
        name: {"kind": kinds[name], "group": "engagement", "label": label}
        for name, label in labels.items()
    }


def _make_impressions(rng: np.random.Generator, first: int, size: int) -> pa.Table:
    row = np.arange(first, first + size)
    numbers = (
        pa.array(rng.integers(13, 90, size), mask=rng.random(size) < 0.02),
        pa.array(rng.lognormal(3.0, 1.0, size).round(3)),
        pa.array(rng.integers(0, 4000, size)),
        pa.array(rng.random(size).round(6), mask=rng.random(size) < 0.1),
        pa.array(rng.lognormal(4.0, 1.0, size).round(3)),
        pa.array(rng.normal(size=size).round(6), mask=rng.random(size) < 0.05),
    )
    return pa.table(
        {
            "request_id": _ids("r", row // _CANDIDATES, 10),
            "user_id": _ids("u", row // _CANDIDATES * 2_654_435_761 % _USERS, 7),
            "item_id": _ids("i", _item(row), 6),
            "timestamp": pa.array(_time(row)),
            "position": pa.array(row % _CANDIDATES + 1),
            **dict(zip(NUMBERS, numbers, strict=True)),
            **{name: _draw(rng, words, size) for name, words in WORDS.items()},
            "tags": _draw_lists(rng, TAGS, size),
        }
    )


def _make_feedback(rng: np.random.Generator, first: int, size: int) -> pa.Table:
    row = np.sort(rng.integers(first, first + size, round(FEEDBACK_RATIO * size)))
    event = rng.choice(len(EVENTS), len(row), p=[0.6, 0.25, 0.15])
    seconds = rng.lognormal(3.0, 1.0, len(row)).round(2)
    return pa.table(
        {
            "request_id": _ids("r", row // _CANDIDATES, 10),
            "item_id": _ids("i", _item(row), 6),
            "event": pa.array(EVENTS).take(pa.array(event)),
            "value": pa.array(np.where(event == EVENTS.index("watch_seconds"), seconds, 1.0)),
            "timestamp": pa.array(_time(row) + rng.integers(500, _HOUR_MS, len(row))),
        }
    )


_Maker = Callable[[np.random.Generator, int, int], pa.Table]
_TABLES: dict[str, _Maker] = {IMPRESSIONS: _make_impressions, FEEDBACK: _make_feedback}


def _item(row: Ints) -> Ints:
    """Ten different items a request."""
    return (row // _CANDIDATES * 7919 + row % _CANDIDATES * 4999) % _ITEMS


def _time(row: Ints) -> Ints:
    return _START + row // _CANDIDATES * _REQUEST_MS


def _ids(prefix: str, numbers: Ints, digits: int) -> pa.Array:
    text = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def _draw(rng: np.random.Generator, words: tuple[str, ...], size: int) -> pa.Array:
    return pa.array(words).take(pa.array(rng.integers(0, len(words), size)))


def _draw_lists(rng: np.random.Generator, words: tuple[str, ...], size: int) -> pa.Array:
    ends = np.append(0, np.cumsum(rng.integers(0, 4, size)))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), _draw(rng, words, int(ends[-1])))


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    if path.suffix == ".parquet":
        pq.write_table(table, partial, row_group_size=_PARTITION_ROWS)
    else:
        for place, field in enumerate(table.schema):
            if pa.types.is_list(field.type):
                table = table.set_column(place, field.name, pc.binary_join(table[field.name], "|"))
        options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
        with partial.open("wb") as stream:
            # Arrow would put the names in quotes.
            stream.write(f"{','.join(table.column_names)}\n".encode())
            pa_csv.write_csv(table, stream, options)
    partial.rename(path)
