"""Made-up rows of an eval split, and the config that reads them."""

from typing import Any

import numpy as np

from pipeline.config import RankerConfig
from pipeline.evaluation.rows import EvalRows, TaskRows

TASKS: dict[str, Any] = {
    "click": {"kind": "classification", "group": "engagement", "label": {"event": "click"}},
    "like": {"kind": "classification", "group": "satisfaction", "label": {"event": "like"}},
    "play_time": {
        "kind": "regression",
        "group": "engagement",
        "label": {"event": "play", "aggregation": "sum", "transform": "log1p"},
    },
}


def make_config(tasks: dict[str, Any] | None = None, **evaluation: Any) -> RankerConfig:
    """A ranker with three tasks and the features `tab` and `age`."""
    tasks = TASKS if tasks is None else tasks
    return RankerConfig.model_validate(
        {
            "name": "ranker",
            "features": {
                "tab": {"of": "context", "kind": "categorical"},
                "age": {"of": "user", "kind": "numeric"},
            },
            "tasks": tasks,
            "score": next(iter(tasks)),
            "evaluation": evaluation,
        }
    )


def make_rows(
    num_rows: int = 2000,
    num_users: int = 200,
    tasks: dict[str, Any] | None = None,
    baseline_noise: float = 0.5,
    candidate_noise: float = 0.0,
    masked: float = 0.2,
    seed: int = 1,
) -> EvalRows:
    """Labels drawn from a known logit; each model sees it through some noise."""
    random = np.random.default_rng(seed)
    columns = {}
    for name, task in (TASKS if tasks is None else tasks).items():
        logit = random.normal(-0.5, 1.0, num_rows)
        noises = candidate_noise, baseline_noise
        candidate, baseline = (logit + noise * random.normal(size=num_rows) for noise in noises)
        if task["kind"] == "classification":
            labels = (random.random(num_rows) < sigmoid(logit)).astype(float)
            candidate, baseline = sigmoid(candidate), sigmoid(baseline)
        else:
            labels = 2.0 + logit + 0.5 * random.normal(size=num_rows)
            candidate, baseline = candidate + 2.0, baseline + 2.0
        weights = (random.random(num_rows) >= masked).astype(float)
        columns[name] = TaskRows(labels, weights, candidate, baseline)
    users = np.array([f"user {user}" for user in random.integers(0, num_users, num_rows)])
    ages = random.integers(18, 70, num_rows).astype(float)
    return EvalRows(
        users, columns, {"tab": random.choice(["home", "follow"], num_rows), "age": ages}
    )


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logit))."""
    return 1.0 / (1.0 + np.exp(-logit))
