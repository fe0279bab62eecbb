"""The formulas of the simulated world."""

import numpy as np
import pytest

from transforms.examples import POSITION
from transforms.simulator.catalogue import CANDIDATES, draw_catalogue
from transforms.simulator.columns import COLUMNS, from_arrow, to_arrow
from transforms.simulator.factors import affinities
from transforms.simulator.files import impressions_table
from transforms.simulator.outcomes import draw_outcomes
from transforms.simulator.requests import Impressions, draw_impressions
from transforms.simulator.responses import FACTORS, RESPONSES, TASKS
from transforms.simulator.world import best_of, locations, mean_rating

# Column -> the factors that read it.
READERS = {
    "segment": "AC",
    "age": "D",
    "daily_minutes": "B",
    "account_days": "C",
    "curiosity": "A",
    "zodiac": "",
    "category": "AC",
    "duration_seconds": "B",
    "quality": "C",
    "creator_followers": "D",
    "tags": "AD",
    "checksum": "",
    "device": "B",
    "hour": "",
    "network": "",
}


@pytest.fixture(scope="module")
def shown() -> Impressions:
    rng = np.random.default_rng(7)
    return draw_impressions(rng, draw_catalogue(rng, 20_000), 0, 20_000, 20_000, (0.0, 1.0))


def predict(columns):
    return best_of(locations(columns, 1.0))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_changes_only_the_factors_that_read_it(shown, column):
    shuffled = dict(shown.columns)
    shuffled[column] = np.random.default_rng(1).permutation(shuffled[column])
    changed = (affinities(shuffled) != affinities(shown.columns)).any(axis=0)
    assert (
        "".join(f for f, is_changed in zip(FACTORS, changed, strict=True) if is_changed)
        == (READERS[column])
    )


def test_factors_are_centred_and_of_similar_spread(shown):
    factors = affinities(shown.columns)
    assert np.abs(factors.mean(axis=0)).max() < 0.2
    assert (factors.std(axis=0) > 0.8).all() and (factors.std(axis=0) < 1.3).all()


@pytest.mark.parametrize("task", TASKS)
def test_a_task_depends_on_its_factors_and_on_no_other(shown, task):
    noisy = {"A": "curiosity", "B": "daily_minutes", "C": "quality", "D": "age"}
    before, depends = predict(shown.columns)[task], []
    for factor, column in noisy.items():
        shuffled = dict(shown.columns)
        shuffled[column] = np.random.default_rng(1).permutation(shuffled[column])
        if not np.array_equal(predict(shuffled)[task], before):
            depends.append(factor)
    assert tuple(depends) == TASKS[task].factors


def test_engagement_shares_a_and_b_satisfaction_c_and_d_and_share_bridges():
    factors = {task: "".join(spec.factors) for task, spec in TASKS.items()}
    assert factors.pop("share") == "BD"
    for task, needed in factors.items():
        assert needed == {"engagement": "AB", "satisfaction": "CD"}[TASKS[task].response.group]


def test_best_predictions_are_the_means_of_many_draws(shown):
    rows = slice(0, 20)
    columns = {name: np.repeat(v[rows], 20_000, axis=0) for name, v in shown.columns.items()}
    outcomes = draw_outcomes(np.random.default_rng(0), columns, locations(columns, 1.0))
    best = {task: values[::20_000] for task, values in predict(columns).items()}

    def mean(values):
        return np.nan_to_num(values).reshape(20, -1).mean(axis=1)

    for event in ("click", "bad_click", "like", "share", "hide"):
        np.testing.assert_allclose(mean(outcomes[event].counted), best[event], atol=0.015)
    watched = np.nan_to_num(outcomes["watch_seconds"].counted)
    np.testing.assert_allclose(mean(watched >= 40), best["long_watch"], atol=0.015)
    np.testing.assert_allclose(mean(np.log1p(watched)), best["watch_seconds"], atol=0.05)
    survey = np.nanmean(outcomes["survey"].counted.reshape(20, -1), axis=1)
    np.testing.assert_allclose(survey, best["survey"], atol=0.07)


def test_the_best_prediction_of_what_always_happens_is_the_share_that_arrives_in_time():
    always = {event: np.full(300_000, 50.0) for event in RESPONSES}
    columns = {"account_days": np.full(300_000, 300.0)}
    outcomes = draw_outcomes(np.random.default_rng(0), columns, always)
    best = best_of(always)
    for event in ("click", "bad_click", "like", "share", "hide"):
        arrived = np.nan_to_num(outcomes[event].counted).mean()
        assert arrived == pytest.approx(best[event][0], abs=0.0015)
        assert best[event][0] == pytest.approx(RESPONSES[event].kept)


def test_a_bad_click_needs_a_click(shown):
    eta = locations(shown.columns, 1.0)
    outcomes = draw_outcomes(np.random.default_rng(0), shown.columns, eta)
    bad = ~np.isnan(outcomes["bad_click"].value)
    assert bad.any() and not np.isnan(outcomes["click"].value[bad]).any()


def test_mean_rating_stays_between_1_and_5():
    rating = mean_rating(np.array([-50.0, 3.0, 50.0]))
    np.testing.assert_allclose(rating, [1.0, 3.0, 5.0], atol=1e-12)


def test_position_lowers_engagement_more_than_satisfaction(shown):
    last = {**shown.columns, POSITION: np.full(len(shown), 10)}
    first = {**shown.columns, POSITION: np.ones(len(shown))}
    drop = {e: (locations(first, 1.0)[e] - locations(last, 1.0)[e]).mean() for e in RESPONSES}
    assert drop["click"] == pytest.approx(0.45 * np.log(10))
    assert drop["click"] > drop["like"] > 0 and drop["survey"] == 0


def test_a_missing_number_counts_as_the_average(shown):
    missing = {**shown.columns, "curiosity": np.full(len(shown), np.nan)}
    average = {**shown.columns, "curiosity": np.full(len(shown), 50.0)}
    np.testing.assert_array_equal(affinities(missing), affinities(average))


def test_a_request_shows_different_items_at_positions_from_1(shown):
    items = shown.item.reshape(-1, CANDIDATES)
    assert (np.diff(np.sort(items, axis=1), axis=1) > 0).all()
    positions = shown.columns[POSITION].reshape(-1, CANDIDATES)
    assert (positions == np.arange(1, CANDIDATES + 1)).all()


def test_popular_creators_are_shown_rather_first(shown):
    followers = np.log(shown.columns["creator_followers"]).reshape(-1, CANDIDATES)
    assert followers[:, 0].mean() > followers[:, -1].mean() + 1.0


@pytest.mark.parametrize("column", COLUMNS)
def test_columns_survive_the_way_to_arrow_and_back(shown, column):
    back = from_arrow(impressions_table(shown))[column]
    np.testing.assert_array_equal(back, shown.columns[column])
    assert to_arrow(column, shown.columns[column]).null_count == (
        np.isnan(shown.columns[column]).sum() if column in ("curiosity", "quality") else 0
    )
