"""The paired bootstrap over users: right width, paired, reproducible and fast."""

import time

import numpy as np
import pytest

from pipeline.evaluation import bootstrap as module
from pipeline.evaluation.bootstrap import bootstrap, compare, estimate, user_counts
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.metrics import TaskStatistics
from pipeline.evaluation.ranking import auc
from tests.pipeline.evaluation_inputs import make_config, make_rows


def statistics_of(labels, predictions, users, kind="regression", weights=None):
    """One task's statistics."""
    weights = np.ones(len(labels)) if weights is None else weights
    return TaskStatistics.of(kind, users, labels, weights, predictions, int(users.max()) + 1)


def test_the_interval_of_a_mean_has_the_width_of_the_central_limit_theorem():
    random = np.random.default_rng(1)
    errors = random.exponential(size=2000)
    one = statistics_of(np.zeros(2000), errors, np.arange(2000))
    found = estimate(bootstrap({"task": one}, 2000, 1000, seed=1)["task"]["mae"])
    assert found.value == pytest.approx(errors.mean())
    expected = 2 * 1.96 * errors.std() / np.sqrt(2000)
    assert found.upper - found.lower == pytest.approx(expected, rel=0.1)
    assert found.lower < 1.0 < found.upper


def test_users_and_not_rows_are_drawn():
    random = np.random.default_rng(1)
    errors = np.repeat(random.exponential(size=200), 10)  # each user's ten rows are alike
    users = np.repeat(np.arange(200), 10)
    samples = bootstrap({"task": statistics_of(np.zeros(2000), errors, users)}, 200, 500, seed=1)
    found = estimate(samples["task"]["mae"])
    expected = 2 * 1.96 * errors.std() / np.sqrt(200)
    assert found.upper - found.lower == pytest.approx(expected, rel=0.15)


def test_the_difference_is_paired():
    random = np.random.default_rng(1)
    errors = random.exponential(size=500)
    models = {
        "candidate": statistics_of(np.zeros(500), errors, np.arange(500)),
        "baseline": statistics_of(np.zeros(500), errors + 0.01, np.arange(500)),
    }
    samples = bootstrap(models, 500, 100, seed=1)
    found = compare("mae", samples["candidate"]["mae"], samples["baseline"]["mae"])
    assert found.difference.lower == pytest.approx(-0.01)
    assert found.difference.upper == pytest.approx(-0.01)
    assert found.gain.value == pytest.approx(0.01)
    assert found.outcome == "better"


def test_a_replicate_is_the_metric_of_the_repeated_rows():
    random = np.random.default_rng(1)
    labels = (random.random(300) < 0.3).astype(float)
    predictions = np.round(random.random(300), 1)
    weights = random.integers(1, 4, 300).astype(float)
    users = random.integers(0, 40, 300)
    one = statistics_of(labels, predictions, users, "classification", weights)
    samples = bootstrap({"task": one}, 40, 20, seed=3)["task"]
    draws = np.concatenate(list(user_counts(40, 20, seed=3, replicates_at_once=7)))
    for draw, value in zip(draws, samples["auc"], strict=True):
        repeats = draw[users].astype(int)
        rows = np.repeat(np.arange(300), repeats)
        assert value == pytest.approx(auc(labels[rows], predictions[rows], weights[rows]))


def test_draws_depend_on_the_seed_and_not_on_the_memory(monkeypatch):
    one = statistics_of(np.zeros(50), np.random.default_rng(1).random(50), np.arange(50))
    first = bootstrap({"task": one}, 50, 30, seed=1)["task"]["rmse"]
    monkeypatch.setattr(module, "_MAX_WEIGHTS", 1)
    np.testing.assert_allclose(bootstrap({"task": one}, 50, 30, seed=1)["task"]["rmse"], first)
    assert not np.allclose(bootstrap({"task": one}, 50, 30, seed=2)["task"]["rmse"][1:], first[1:])


def test_an_interval_that_half_of_the_replicates_leave_undefined_is_none():
    samples = np.array([0.5, *[np.nan] * 10, *[0.5] * 10])
    assert estimate(samples).value == 0.5
    assert estimate(samples).lower is None
    assert estimate(samples[:-1] * np.nan).value is None


def test_twenty_thousand_rows_of_eight_tasks_take_under_three_seconds():
    kinds = ["classification"] * 6 + ["regression"] * 2
    label = {"event": "event", "at_least": 1.0}
    tasks = {
        f"task{i}": {"kind": kind, "group": "all", "label": label} for i, kind in enumerate(kinds)
    }
    rows = make_rows(20_000, 2_000, tasks)
    config = make_config(tasks, bootstrap_replicates=200)
    start = time.process_time()  # not of the wall: other tests may hold the processor
    evaluate(rows, config)
    assert time.process_time() - start < 3.0
