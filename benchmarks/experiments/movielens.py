"""Two tasks on MovieLens: will they watch it, and how will they rate it?

    make experiment NAME=movielens [ARGS="--quick --data FOLDER"]

DSelect-k's section 4.1, with the service's own ranker on user and movie ids. The folder holds
the files of ml-100k or of ml-1m. As many pairs of a user and a movie as there are ratings
are drawn from those without one. The objective is eta times the cross-entropy of `watch` plus
1 - eta times the squared error of `rating`.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.experiments.movielens_data import Split, make_splits, read_ratings
from benchmarks.experiments.movielens_model import Setup, Sums, TwoTasks
from benchmarks.experiments.movielens_report import write_report
from benchmarks.harness.experiment import Experiment, Settings, load_sizes, main
from benchmarks.harness.trials import Result, Trial, Trials
from benchmarks.harness.tuning import Search, compare_gates

# Rows of a split that are measured at a time.
_ROWS = 20_000


class MovieLensSettings(Settings):
    """`etas` are the weights of the task `watch`; `search` is the same for all of them."""

    setup: Setup
    etas: tuple[float, ...]
    search: Search


@cache
def splits(folder: Path, seed: int) -> list[Split]:
    """Training, validation and test pairs as tensors."""
    made = make_splits(read_ratings(folder), seed)
    return [Split(*(tf.constant(column) for column in split)) for split in made]


@cache
def traced(gate: str, setup: Setup) -> TwoTasks:
    """The model with a gate, given as JSON."""
    return TwoTasks(json.loads(gate), setup, read_ratings(setup.data))


def train(trials: Sequence[Trial], setup: Setup) -> Iterator[Result]:
    """Each trial by itself."""
    for trial in trials:
        model = traced(json.dumps(trial["gate"]), setup)
        model.restart(trial["seed"], trial["learning_rate"], trial["eta"])
        yield train_once(model, trial, setup)


def train_once(model: TwoTasks, trial: Trial, setup: Setup) -> Result:
    """What the model was in its best epoch by validation, and in its best after it converged."""
    training, validation, test = splits(setup.data, setup.data_seed)
    num_pairs = len(training.users)
    steps = num_pairs // setup.batch_size
    rng = np.random.default_rng(trial["seed"])
    result: Result = {"any": None, "converged": None}
    for epoch in range(1, setup.epochs + 1):
        order = rng.permutation(num_pairs)[: steps * setup.batch_size]
        model.train_epoch(*training, tf.constant(order.reshape(steps, -1), tf.int32))
        loss, _ = measure(model, validation, trial["eta"])
        is_binary = bool(tf.reduce_all(model.ranker.gate.converged()))
        better = [
            rule
            for rule, counts in {"any": np.isfinite(loss), "converged": is_binary}.items()
            if counts and (not result[rule] or loss < result[rule]["validation_loss"])
        ]
        if better:
            test_loss, found = measure(model, test, trial["eta"])
            now = {"validation_loss": loss, "epoch": epoch, "test_loss": test_loss, **found}
            result.update((rule, now) for rule in better)
    total = steps * setup.epochs
    result["open_share"] = float(model.open_steps) / total
    result["mean_union"] = float(model.experts_in_use) / total
    return result


def measure(model: TwoTasks, split: Split, eta: float) -> tuple[float, dict[str, float]]:
    """The objective, and the tasks' losses and experts, of a split in parts."""
    starts = range(0, len(split.users), _ROWS)
    parts = [model.measure(*(column[i : i + _ROWS] for column in split)) for i in starts]
    sums = Sums(*(np.sum(same, axis=0) for same in zip(*parts, strict=True)))
    watch, rating = float(sums.watch / sums.pairs), float(sums.rating / sums.rated)
    return eta * watch + (1 - eta) * rating, {
        "watch": watch,
        "rating": rating,
        "experts_used": float(sums.experts / sums.pairs),
        "union": int(np.count_nonzero(sums.by_any)),
    }


def run(settings: MovieLensSettings, trials: Trials) -> dict[str, Any]:
    """Every gate for every eta."""
    ratings = read_ratings(settings.setup.data)
    cases = [
        {
            "eta": eta,
            "gates": compare_gates(
                {"eta": eta},
                settings.search,
                trials,
                lambda batch: train(batch, settings.setup),
            ),
        }
        for eta in settings.etas
    ]
    return {
        "data": {
            "ratings": len(ratings.ratings),
            "users": ratings.num_users,
            "movies": ratings.num_items,
        },
        "cases": cases,
    }


EXPERIMENT = Experiment(
    name="movielens",
    title="Two tasks on MovieLens: which gate is best, and with how many experts?",
    sizes=load_sizes("movielens", MovieLensSettings),
    count_trials=lambda settings: len(settings.etas) * settings.search.count(),
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
