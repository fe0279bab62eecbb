"""Logs of any size to ingest: impressions of 16 columns of all kinds, and feedback on them.

Made of noise, a file at a time, much faster than the simulator makes a world. A file that is
there is not made again, so that a run which was cut short goes on.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from transforms.config import DataConfig

FILE_ROWS = 250_000
FEEDBACK_RATIO = 0.6
PARTITION_ROWS = 100_000
_CANDIDATES = 10
_NUM_ITEMS = 50_000
_START = 1_767_225_600_000
_REQUEST_MS = 700
_HOUR_MS = 3_600_000

FileFormat = Literal["parquet", "csv"]
Table = Literal["impressions", "feedback"]
Ints = npt.NDArray[np.int64]

_WORDS = {
    "segment": ("student", "commuter", "parent", "expert", "gamer", "retiree"),
    "device": ("phone", "tablet", "desktop", "tv"),
    "network": ("wifi", "4g", "5g", "wired"),
    "category": ("comedy", "cooking", "fitness", "games", "music", "news", "science", "travel"),
}
_TAGS = ("beginner", "classic", "costume", "family", "festival", "handmade", "live", "local")
_EVENTS = ("click", "watch_seconds", "like")


def _task(kind: str, **label: Any) -> dict[str, Any]:
    return {"kind": kind, "group": "engagement", "label": label}


_NUMBERS = ("age", "daily_minutes", "account_days", "curiosity", "duration_seconds", "quality")
_FEATURES: dict[str, dict[str, Any]] = {
    **{name: {"of": "context", "kind": "numeric"} for name in _NUMBERS},
    **{name: {"of": "context", "kind": "categorical"} for name in _WORDS},
    "tags": {"of": "item", "kind": "categorical", "multivalued": True},
}
_TASKS = {
    "click": _task("classification", event="click"),
    "like": _task("classification", event="like"),
    "watch_seconds": _task("regression", event="watch_seconds", aggregation="sum"),
    "long_watch": _task(
        "classification", event="watch_seconds", aggregation="sum", at_least=40.0
    ),
}


class Logs(NamedTuple):
    """A folder of logs.

    Attributes:
        folder: with `impressions` and `feedback`.
        rows: impressions.
    """

    folder: Path
    rows: int


def make_config(rows: int, compression: str) -> DataConfig:
    """The configuration that ingests so many impressions."""
    logs = {"partitions": max(1, round(rows / PARTITION_ROWS))}
    return DataConfig.model_validate({"logs": logs, "features": _FEATURES, "tasks": _TASKS})


def make_logs(work: Path, rows: int, file_format: FileFormat) -> Logs:
    """Makes the logs below a folder, or finds them there.

    Args:
        work: a folder for logs of all sizes.
        rows: impressions; there are 0.6 rows of feedback to each.
        file_format: of the files.
    """
    folder = work / str(rows) / file_format
    for file, first in enumerate(range(0, rows, FILE_ROWS)):
        size = min(FILE_ROWS, rows - first)
        for table, make in _MAKERS.items():
            path = folder / table / f"part-{file:05d}.{file_format}"
            if not path.exists():
                _write(make(np.random.default_rng([file, size]), first, size), path)
    return Logs(folder, rows)


def make_impressions(rng: np.random.Generator, first: int, size: int) -> pa.Table:
    """Rows `first` to `first + size` of the impressions."""
    row = np.arange(first, first + size)
    numbers = {
        "age": pa.array(rng.integers(13, 90, size), mask=rng.random(size) < 0.02),
        "daily_minutes": pa.array(rng.lognormal(3.0, 1.0, size).round(3)),
        "account_days": pa.array(rng.integers(0, 4000, size)),
        "curiosity": pa.array(rng.random(size).round(6), mask=rng.random(size) < 0.1),
        "duration_seconds": pa.array(rng.lognormal(4.0, 1.0, size).round(3)),
        "quality": pa.array(rng.normal(size=size).round(6), mask=rng.random(size) < 0.05),
    }
    words = {
        name: pa.array(words).take(pa.array(rng.integers(0, len(words), size)))
        for name, words in _WORDS.items()
    }
    return pa.table(
        {
            "request_id": _ids("r", row // _CANDIDATES, 10),
            "user_id": _ids("u", _user(row), 7),
            "item_id": _ids("i", _item(row), 6),
            "timestamp": pa.array(_time(row)),
            "position": pa.array(row % _CANDIDATES + 1),
            **numbers,
            **words,
            "tags": _lists(rng, size),
        }
    )


def make_feedback(rng: np.random.Generator, first: int, size: int) -> pa.Table:
    """The feedback on rows `first` to `first + size` of the impressions."""
    row = np.sort(rng.integers(first, first + size, round(FEEDBACK_RATIO * size)))
    event = rng.choice(len(_EVENTS), len(row), p=[0.6, 0.25, 0.15])
    value = np.where(event == _EVENTS.index("watch_seconds"), rng.lognormal(3, 1, len(row)), 1.0)
    return pa.table(
        {
            "request_id": _ids("r", row // _CANDIDATES, 10),
            "item_id": _ids("i", _item(row), 6),
            "event": pa.array(_EVENTS).take(pa.array(event)),
            "value": pa.array(value.round(2)),
            "timestamp": pa.array(_time(row) + rng.integers(500, _HOUR_MS, len(row))),
        }
    )


_MAKERS = {"impressions": make_impressions, "feedback": make_feedback}


def _user(row: Ints) -> Ints:
    """A user has about 20 requests, at times all over the logs."""
    return (row // _CANDIDATES) * 2_654_435_761 % 4_294_967_291 % 5_000_000


def _item(row: Ints) -> Ints:
    """Of a request's candidates all are different."""
    return (row // _CANDIDATES * 7919 + row % _CANDIDATES * 4999) % _NUM_ITEMS


def _time(row: Ints) -> Ints:
    return _START + row // _CANDIDATES * _REQUEST_MS


def _ids(prefix: str, numbers: Ints, digits: int) -> pa.Array:
    text = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def _lists(rng: np.random.Generator, size: int) -> pa.Array:
    ends = np.append(0, np.cumsum(rng.integers(0, 4, size)))
    words = pa.array(_TAGS).take(pa.array(rng.integers(0, len(_TAGS), ends[-1])))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), words)


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    if path.suffix == ".parquet":
        pq.write_table(table, partial, row_group_size=PARTITION_ROWS)
    else:
        place = table.schema.get_field_index("tags")
        if place >= 0:
            table = table.set_column(place, "tags", pc.binary_join(table["tags"], "|"))
        pa_csv.write_csv(table, partial, pa_csv.WriteOptions(quoting_style="none"))
    partial.rename(path)
