"""Dated logs of four days with feedback that crosses midnight, for the tests of rolling."""

import random
from pathlib import Path

from history_inputs import TASKS, events_of_all_tasks, histories, make_logs
from ingest_inputs import START, Row, make_config, write_parquet
from ingest_runs import decode_shards

from transforms.config import DataConfig
from transforms.engine import make_pipeline
from transforms.rolling.roll import Rolling, make_recipe
from transforms.rolling.store import SpanStore, StoredSpan
from transforms.rolling.window import window_files
from transforms.spans.days import DAY, date_of

FIRST = START // DAY
DAYS = 4
LAST = FIRST + DAYS - 1


def dated_config(with_history: bool = True, **logs) -> DataConfig:
    """Two tasks, with windows of a day and of two hours."""
    logs = {"spans": {"window": 3}, "partitions": 3, "clock_skew": "10m"} | logs
    features = histories() if with_history else {"age": {"of": "user", "kind": "numeric"}}
    return make_config(tasks=TASKS, features=features, **logs)


WHOLE = dated_config(spans={"window": DAYS})
PLAIN = dated_config(with_history=False, spans={"window": DAYS})


def random_days(seed: int) -> tuple[list[Row], list[Row]]:
    """Impressions of four days, and feedback up to 40 hours later, or ten minutes before."""
    rng = random.Random(seed)
    rows = [
        (rng.randrange(9), rng.randrange(9), rng.choice(["de", "cn", None]), rng.randrange(576))
        for _ in range(300)
    ]
    # In steps of ten minutes.
    events = [
        (n, rng.choice(["click", "stars"]), rng.randrange(4), rng.randrange(-1, 240))
        for n in range(300)
    ]
    return make_logs(rows, events_of_all_tasks(events))


def write_days(logs: Path, shown: list[Row], events: list[Row], days=range(DAYS + 2)) -> None:
    """Writes rows into the folder of the day of their own time."""
    for role, rows in (("impressions", shown), ("feedback", events)):
        for day in days:
            mine = [row for row in rows if row["timestamp"] // DAY == FIRST + day]
            if mine:
                write_parquet(logs / role / date_of(FIRST + day).isoformat() / "p.parquet", mine)


class Count:
    """Makes pipelines, and counts them."""

    def __init__(self, at_most: int = 1000) -> None:
        self.made = 0
        self.at_most = at_most

    def __call__(self):
        self.made += 1
        assert self.made <= self.at_most, "another span is ingested"
        return make_pipeline()


def rolling(folder: Path, config: DataConfig, count: Count | None = None) -> Rolling:
    """What is rolled from `folder/logs` into `folder/store`."""
    store = SpanStore(str(folder / "store"))
    return Rolling(config, str(folder / "logs"), store, make_recipe(config, "1"), count or Count())


def versions(window: list[StoredSpan]) -> list[tuple[int, int]]:
    """(day from the first, version) of each span."""
    return [(one.record.span - FIRST, one.record.version) for one in window]


def examples_of(config: DataConfig, window: list[StoredSpan]) -> dict[str, Row]:
    """Request -> its example, of all splits."""
    files = window_files(config, window)
    rows = [row for paths in files.values() for row in decode_shards(paths)]
    return {row["request_id"][0].decode(): row for row in rows}
