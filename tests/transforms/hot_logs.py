"""Ingests logs of which one key has all rows: `python hot_logs.py KEY ROWS FOLDER`, for tests.

KEY is `user`, whose history every row is, `request`, of which all impressions are, or
`impression`, of which all feedback is.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.config import DataConfig
from transforms.ingest.pipeline import run_ingest

FILE_ROWS = 250_000
START = 1_767_225_600_000
_FEATURES = {
    "item_id": {"of": "item", "kind": "categorical", "hash_buckets": 100},
    "clicks": {"of": "user", "kind": "history", "by": "user_id", "statistic": "mean"},
    "shown": {"of": "user", "kind": "history", "by": "user_id", "statistic": "count"},
    "clicked": {"of": "user", "kind": "sequence", "by": "user_id", "column": "item_id"},
}
_FEATURES["clicks"] |= {"task": "click", "window": "7d"}
_FEATURES["clicked"] |= {"task": "click", "length": 10}


def make_config(key: str, rows: int) -> DataConfig:
    features = dict(_FEATURES) if key == "user" else {"item_id": _FEATURES["item_id"]}
    tasks = {"click": {"kind": "classification", "group": "all", "label": {"event": "click"}}}
    logs = {"partitions": max(2, rows // 100_000), "split": {"by": "request"}, "gzip_level": 0}
    return DataConfig.model_validate({"logs": logs, "features": features, "tasks": tasks})


def write_logs(key: str, rows: int, folder: Path) -> None:
    for first in range(0, rows, FILE_ROWS):
        row = np.arange(first, min(rows, first + FILE_ROWS))
        request = row // 10 * (key == "user")
        item = {"user": row % 50_000, "request": row, "impression": row * 0}[key]
        shown = {
            "request_id": _ids("r", request),
            "user_id": pa.repeat("u", len(row)),
            "item_id": _ids("i", item),
            "timestamp": pa.array(START + request * 1000),
        }
        _write(folder / "impressions" / f"{first:09d}.parquet", shown)
        clicked = row % 3 == 0 if key == "user" else row >= 0
        delay = row % 60_000 if key == "user" else row
        events = {name: shown[name].filter(pa.array(clicked)) for name in ("request_id", "item_id")}
        events |= {
            "event": pa.repeat("click", int(clicked.sum())),
            "value": pa.array(np.ones(clicked.sum())),
            "timestamp": pa.array((START + request * 1000 + delay)[clicked]),
        }
        _write(folder / "feedback" / f"{first:09d}.parquet", events)


def _ids(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=100_000)


if __name__ == "__main__":
    key, rows, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    write_logs(key, rows, folder / "logs")
    places = (str(folder / name) for name in ("logs", "out"))
    counts = run_ingest(make_config(key, rows), *places, every_split=False)
    sys.stdout.write(f"{counts.impressions.examples} {counts.feedback.attributed}")
