"""Metrics against scikit-learn, against counting pairs by hand, and at the edges."""

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.calibration import calibration_curve
from pipeline.evaluation.metrics import TaskStatistics, task_metrics
from pipeline.evaluation.ranking import auc, gauc


def count_pairs(labels, predictions, weights):
    """AUC from its definition: won pairs, ties half, over all pairs."""
    won = total = 0.0
    for y, p, w in zip(labels, predictions, weights, strict=True):
        for other, q, v in zip(labels, predictions, weights, strict=True):
            if y == 1 and other == 0:
                total += w * v
                won += w * v * ((p > q) + (p == q) / 2)
    return won / total if total else None


def average_user_auc(users, labels, predictions, weights):
    """GAUC from its definition, user by user."""
    values, sizes = [], []
    for user in np.unique(users):
        of_user = users == user
        value = count_pairs(labels[of_user], predictions[of_user], weights[of_user])
        if value is not None:
            values.append(value)
            sizes.append(weights[of_user].sum())
    return np.average(values, weights=sizes) if values else None


examples = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 1),
        st.sampled_from([0.1, 0.2, 0.3, 0.5]),
        st.sampled_from([0.5, 1.0, 2.0]),
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None)
@given(examples)
def test_auc_and_gauc_count_pairs_with_ties_and_weights(rows):
    users, labels, predictions, weights = (np.array(column) for column in zip(*rows, strict=True))
    labels = labels.astype(float)
    assert auc(labels, predictions, weights) == pytest.approx(
        count_pairs(labels, predictions, weights)
    )
    assert gauc(users, labels, predictions, weights) == pytest.approx(
        average_user_auc(users, labels, predictions, weights)
    )


def test_classification_metrics_equal_scikit_learn(random):
    labels = (random.random(5000) < 0.2).astype(float)
    predictions = np.round(np.clip(0.2 + 0.1 * random.normal(size=5000) + 0.1 * labels, 0, 1), 2)
    weights = random.integers(0, 3, 5000).astype(float)
    users = random.integers(0, 50, 5000)
    values = task_metrics("classification", users, labels, weights, predictions)
    kept = {"sample_weight": weights}
    assert values["auc"] == pytest.approx(reference.roc_auc_score(labels, predictions, **kept))
    clipped = np.clip(predictions, 1e-7, 1 - 1e-7)
    assert values["log_loss"] == pytest.approx(reference.log_loss(labels, clipped, **kept))
    ratio = np.average(predictions, weights=weights) / np.average(labels, weights=weights)
    assert values["calibration"] == pytest.approx(ratio)


def test_regression_metrics_equal_scikit_learn(random):
    labels = 1000.0 + random.normal(size=5000)
    predictions = labels + 0.3 * random.normal(size=5000) + 0.1
    weights = random.integers(0, 3, 5000).astype(float)
    values = task_metrics("regression", np.zeros(5000, int), labels, weights, predictions)
    kept = {"sample_weight": weights}
    rmse = reference.root_mean_squared_error(labels, predictions, **kept)
    assert values["rmse"] == pytest.approx(rmse)
    mae = reference.mean_absolute_error(labels, predictions, **kept)
    assert values["mae"] == pytest.approx(mae)
    assert values["r2"] == pytest.approx(reference.r2_score(labels, predictions, **kept))


def test_a_metric_without_what_it_needs_is_none_and_not_nan():
    users, ones, zeros = np.array([0, 0, 1]), np.ones(3), np.zeros(3)
    predictions = np.array([0.1, 0.2, 0.3])
    no_positives = task_metrics("classification", users, zeros, ones, predictions)
    assert no_positives["auc"] is no_positives["gauc"] is no_positives["calibration"] is None
    assert no_positives["log_loss"] > 0
    no_examples = task_metrics("classification", users, ones, zeros, predictions)
    assert set(no_examples.values()) == {None}
    assert set(task_metrics("regression", users, ones, zeros, predictions).values()) == {None}
    assert task_metrics("regression", users, ones * 0.3, ones, predictions)["r2"] is None
    alone = np.array([0, 1, 2])
    assert gauc(alone, np.array([0.0, 1.0, 1.0]), predictions) is None


def test_a_variance_of_rounding_errors_does_not_pass_for_one():
    users = np.array([0] * 13 + [1] * 15)
    labels = np.array([0.1] * 13 + [0.7] * 15)
    ones = np.ones(28)
    statistics = TaskStatistics.of("regression", users, labels, ones, labels + 0.1, num_users=2)
    first_user_only, both = statistics.metrics(np.array([[3.0, 0.0], [1.0, 1.0]]))["r2"]
    assert np.isnan(first_user_only)
    assert both == pytest.approx(reference.r2_score(labels, labels + 0.1))


def test_examples_of_weight_zero_may_hold_anything():
    users, weights = np.array([0, 0, 0]), np.array([1.0, 1.0, 0.0])
    labels, predictions = np.array([0.0, 1.0, np.nan]), np.array([0.4, 0.6, np.nan])
    assert task_metrics("classification", users, labels, weights, predictions)["auc"] == 1.0
    assert task_metrics("regression", users, labels, weights, predictions)["mae"] == 0.4
    assert task_metrics("regression", users, labels, weights * 0 + 1, predictions)["mae"] is None


def test_a_certain_mistake_costs_a_finite_loss():
    one = np.ones(1)
    values = task_metrics("classification", np.zeros(1, int), one, one, 0 * one)
    assert values["log_loss"] == pytest.approx(-np.log(1e-7))


def test_calibration_bins_hold_equal_counts_and_cover_the_truth(random):
    predictions = random.random(20_000) * 0.1
    labels = (random.random(20_000) < predictions).astype(float)
    bins = calibration_curve("classification", labels, predictions)
    assert [one.examples for one in bins] == [2000] * 10
    assert sum(one.lower <= one.mean_prediction <= one.upper for one in bins) >= 8
    assert all(one.lower < one.mean_label < one.upper for one in bins)
    assert np.mean([one.mean_label for one in bins]) == pytest.approx(labels.mean())


def test_few_examples_make_few_calibration_bins():
    labels, predictions = np.zeros(45), np.linspace(0, 1, 45)
    bins = calibration_curve("classification", labels, predictions)
    assert [one.examples for one in bins] == [22, 23]
    assert bins[0].lower == pytest.approx(0.0, abs=1e-12)
    assert bins[0].upper > 0.1
    assert calibration_curve("regression", labels[:0], predictions[:0]) == ()


@pytest.fixture
def random():
    """A fixed source of numbers."""
    return np.random.default_rng(1)
