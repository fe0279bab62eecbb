"""All trials as documents: JSON for programs, CSV for spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config import RankerConfig
from trainer.config import Role
from trainer.tuning.paths import encode
from trainer.tuning.result import Trial, find_best
from trainer.tuning.space import task_weights

_FIGURES = ("state", "objective", "converged", "epochs", "best_epoch", "seconds", "message")


def make_document(config: RankerConfig, trials: Mapping[Role, list[Trial]]) -> dict[str, Any]:
    """What `trials.json` holds.

    Args:
        config: the whole YAML, with `tuning`.
        trials: role -> its trials.
    """
    assert config.tuning is not None
    best = {role: find_best(its) for role, its in trials.items()}
    return {
        "tuning": config.tuning.model_dump(mode="json"),
        "weights": task_weights(config, config.tuning),
        "best": {role: trial.number if trial else None for role, trial in best.items()},
        "trials": {
            role: [trial.model_dump(mode="json") for trial in its] for role, its in trials.items()
        },
    }


def make_csv(trials: Mapping[Role, Sequence[Trial]]) -> str:
    """What `trials.csv` holds: a row a trial, its values, what became of it, each task's quality.

    Args:
        trials: role -> its trials.
    """
    everything = [(role, trial) for role, its in trials.items() for trial in its]
    paths = list(dict.fromkeys(path for _, trial in everything for path in trial.values))
    tasks = dict.fromkeys(t for _, trial in everything for t in _qualities(trial))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["role", "trial", *paths, *_FIGURES, *(f"quality_{task}" for task in tasks)])
    for role, trial in everything:
        values = [encode(trial.values[path]) if path in trial.values else "" for path in paths]
        figures = [getattr(trial.result, name) for name in _FIGURES] if trial.result else []
        figures += [""] * (len(_FIGURES) - len(figures))
        qualities = [_qualities(trial).get(task, "") for task in tasks]
        rows.writerow([role, trial.number, *values, *figures, *qualities])
    return text.getvalue()


def _qualities(trial: Trial) -> dict[str, float]:
    return trial.result.qualities if trial.result else {}
