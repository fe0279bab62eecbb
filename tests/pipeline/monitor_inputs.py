"""A served day with a known answer: who was shown what, what was predicted, what happened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import RankerConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.rows import EvalRows, TaskRows
from pipeline.monitoring.figures import MonitorFigures, Side
from pipeline.monitoring.statistics import Statistics
from pipeline.monitoring.training import TrainingRun
from transforms.ingest.counting.counts import make_counts
from transforms.ingest.counting.tally import Tally
from transforms.spans.days import DAY, parse_span

WORDS = ("news", "sport", "music", "film")
SHARES = (0.4, 0.3, 0.2, 0.1)
ROWS = 3000
USERS = 300


def monitor_document(**changes: Any) -> dict[str, Any]:
    """A ranker with a word, a number, a list and a history; a click and a watch time."""
    return {
        "name": "small",
        "features": {
            "category": {"of": "item", "kind": "categorical"},
            "minutes": {"of": "user", "kind": "numeric"},
            "tags": {"of": "item", "kind": "categorical", "multivalued": True},
            "shown": {"of": "user", "kind": "history", "by": "user_id", "statistic": "count"},
        },
        "tasks": {
            "click": {
                "kind": "classification",
                "group": "engagement",
                "label": {"event": "click", "window": "1h"},
            },
            "watch": {
                "kind": "regression",
                "group": "engagement",
                "label": {"event": "watch", "aggregation": "sum", "window": "2d"},
            },
        },
        "score": "click",
        "evaluation": {"bootstrap_replicates": 100},
        **changes,
    }


def make_config(**changes: Any) -> RankerConfig:
    """The same, checked."""
    return RankerConfig.model_validate(monitor_document(**changes))


class Day:
    """Rows of the request log of a day, and the feedback to them.

    Args:
        date: of it.
        seed: of what is drawn.
        rows: impressions; ten a request.
        shares: of the words of `category`.
        minutes: mean of the number.
        optimism: what predicted probabilities are multiplied by.
        blindness: share of predictions that know nothing.
        version: of the model.
    """

    def __init__(
        self,
        date: str,
        seed: int = 1,
        rows: int = ROWS,
        shares: Sequence[float] = SHARES,
        minutes: float = 30.0,
        optimism: float = 1.0,
        blindness: float = 0.0,
        version: int = 3,
    ) -> None:
        random = np.random.default_rng([seed, parse_span(date)])
        self.date, start = date, parse_span(date) * DAY
        request = np.arange(rows) // 10
        user = random.integers(0, USERS, rows // 10 + 1)[request]
        times = start + np.sort(random.integers(0, DAY, rows // 10 + 1))[request]
        logit = random.normal(-1.0, 1.2, rows)
        truth = 1 / (1 + np.exp(-logit))
        known = np.where(random.random(rows) < blindness, random.permutation(logit), logit)
        seconds = 20.0 + 5.0 * logit
        self.clicks = random.random(rows) < truth
        self.impressions = {
            "request_id": [f"{date}-{n}" for n in request],
            "user_id": [f"u{n}" for n in user],
            "item_id": [f"i{n}" for n in range(rows)],
            "timestamp": pa.array(times, pa.timestamp("ms")),
            "position": np.arange(rows) % 10 + 1,
            "model_version": np.full(rows, version),
            "category": random.choice(WORDS, rows, p=shares),
            "minutes": random.normal(minutes, 10.0, rows).astype(np.float32),
            "tags": [[WORDS[n % 4], WORDS[(n + 1) % 4]] for n in random.integers(0, 4, rows)],
            "shown": random.poisson(5.0, rows).astype(np.float32),
            "prediction_click": np.minimum(optimism / (1 + np.exp(-known)), 0.999).astype("f4"),
            "prediction_watch": seconds.astype(np.float32),
            "score": truth.astype(np.float32),
        }
        self.watched = seconds + random.normal(0.0, 4.0, rows)
        clicks = self._events("click", times + 60_000, np.ones(rows), self.clicks)
        late = self._events("watch", times + 3_600_000, self.watched, np.ones(rows, bool))
        self.feedback = pa.concat_tables([clicks, late])

    def _events(self, event: str, times: Any, values: Any, happened: Any) -> pa.Table:
        keys = {name: np.array(self.impressions[name]) for name in ("request_id", "item_id")}
        columns = keys | {"timestamp": times, "value": values}
        rows = {name: column[happened] for name, column in columns.items()}
        return pa.table(rows | {"event": [event] * int(happened.sum())})

    def write(self, folder: Path) -> None:
        """Writes `requests` and `logs`; what came after midnight stands in the next day."""
        table = pa.table(self.impressions)
        _write(folder / "requests" / "impressions" / self.date / "a.parquet", table)
        _write(folder / "logs" / "feedback" / self.date / "a.parquet", self.feedback)

    def training(self, config: RankerConfig) -> TrainingRun:
        """The run of a model that was trained on, and evaluated with, such a day."""
        labels = {"click": self.clicks.astype(float), "watch": self.watched}
        tasks = {}
        for name, values in labels.items():
            predictions = np.asarray(self.impressions[f"prediction_{name}"], float)
            tasks[name] = TaskRows(values, np.ones(len(values)), predictions, predictions)
        users = np.array(self.impressions["user_id"])
        names = ("category", "minutes", "tags", "shown")
        features = {name: pa.array(self.impressions[name]) for name in names}
        return TrainingRun(
            run_id="2026-01-02T03:04:05",
            statistics=statistics(**features),
            figures=evaluate(EvalRows(users, tasks, {}), config),
            report=None,
        )


def statistics(**columns: Any) -> Statistics:
    """TFDV's, of columns of words, numbers or lists; None is missing."""
    from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory

    def lists(values: Any) -> pa.Array:
        array = pa.array(values)
        if not pa.types.is_list(array.type):
            valid = np.append(0, np.cumsum(array.is_valid().to_numpy(zero_copy_only=False)))
            flat = array.drop_null()
            offsets = pa.array(valid.astype(np.int32))
            array = pa.ListArray.from_arrays(offsets, flat, mask=array.is_null())
        is_word = pa.types.is_string(array.type.value_type)
        return array.cast(pa.list_(pa.binary() if is_word else pa.float32()))

    batch = pa.record_batch({name: lists(values) for name, values in columns.items()})
    return generate_statistics_in_memory(batch).datasets[0]


def end_feedback(folder: Path, date: str) -> None:
    """An event on a later day, by which the days before it are known to be over."""
    time = (parse_span(date) + 1) * DAY - 1
    row = {"request_id": "none", "item_id": "none", "event": "click", "value": 1.0}
    table = pa.Table.from_pylist([row | {"timestamp": time}])
    _write(folder / "logs" / "feedback" / date / "end.parquet", table)


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def watched_day() -> MonitorFigures:
    """A day with one feature and one task."""
    estimate = {"value": 0.7, "lower": 0.6, "upper": 0.8}
    distance = Side("skew", "3", "then", "now")._asdict() | {
        **{"feature": "age", "measure": "jensen_shannon", "value": 0.05, "threshold": 0.1},
        **{"missing_before": 0.0, "missing_now": 0.1, "missing_threshold": 0.2},
        **{"is_far": False, "is_missing": False, "text": ""},
    }
    task = {"task": "click", "model_version": "3", "kind": "classification"} | {
        **{"impressions": 9, "examples": 8, "waiting": 1, "not_first": 0},
        "metrics": {"auc": {"live": estimate, "training": estimate}},
    }
    days = {"first_day": "2026-01-05", "last_day": "2026-01-05", "previous_day": None}
    tally = Tally()
    for outcome in ("read", "examples"):
        tally.add("impressions", outcome, amount=9)
    return MonitorFigures.model_validate(
        {
            **{"ranker": "small", "created": "2026-01-06T08:00:00+00:00", **days},
            **{"labels_until": None, "counts": make_counts(tally, make_config().data_config())},
            "versions": {"3": {"impressions": 9, "run_id": None, "report": None}},
            **{"new_columns": (), "distances": (distance,), "tasks": (task,)},
            **{"alarms": (), "notes": ()},
        }
    )
