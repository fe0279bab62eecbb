"""Estimators under a capacity, against enumeration and brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from trainer.estimators.assignment import assign, value_changes
from trainer.estimators.biased import plain_skip, top_k_dropped
from trainer.estimators.capacity import log_softmax
from trainer.estimators.chains import settle
from trainer.estimators.prices import count_misplaced, find_prices
from trainer.estimators.registry import BIASED, ROUTERS, UNBIASED, estimate
from trainer.estimators.unbiased import skip_weights
from transforms.errors import ConfigError

SAMPLES = 200_000


@st.composite
def batches(draw, max_batch=7, max_experts=4, min_experts=1):
    """(scores [B, n], c) with 1 <= c and B <= n c, tight capacities included."""
    batch, experts = draw(st.integers(1, max_batch)), draw(st.integers(min_experts, max_experts))
    least = -(-batch // experts)
    capacity = draw(st.integers(least, least + 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.normal(scale=draw(st.sampled_from([0.1, 1.0, 5.0])), size=(batch, experts)), capacity


def best_by_brute_force(scores, capacities):
    """(total, z) of the best assignment, over all n^B; each expert has its own capacity."""
    batch, experts = scores.shape
    best = (-np.inf, ())
    for choices in itertools.product(range(experts), repeat=batch):
        loads = np.bincount(choices, minlength=experts)
        if (loads <= capacities).all():
            best = max(best, (scores[range(batch), choices].sum(), choices))
    return best


def value_of_others(scores, choices, capacity):
    """V_{-i}(j), [B, n]."""
    chosen = np.take_along_axis(scores, choices[:, np.newaxis], axis=1)  # [B, 1]
    return chosen.sum() - chosen + value_changes(scores, choices, capacity)


def best_by_scipy(scores, capacities):
    """The total of the best assignment: linear over the slots."""
    by_slot = np.repeat(scores, capacities, axis=1)
    return by_slot[linear_sum_assignment(by_slot, maximize=True)].sum()


def small_problem(seed=0, batch=4, experts=2):
    """(logits [B, n], g [B, n, 3], target [3]) of an uneven gate."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(batch, experts)) + np.linspace(1.5, 0.0, experts)
    values = rng.normal(size=(batch, experts, 3)) + np.arange(experts)[:, np.newaxis]
    return logits, values, estimate(np.exp(log_softmax(logits)), values)


def error_in_sigmas(router, logits, values, target, capacity, samples=SAMPLES):
    """The largest |mean - target| over the coordinates, in standard errors of the mean."""
    repeated = np.broadcast_to(logits, (samples, *logits.shape))
    estimates = estimate(router(repeated, capacity, np.random.default_rng(1)), values)
    sigma = estimates.std(axis=0) / np.sqrt(samples)
    return np.max(np.abs(estimates.mean(axis=0) - target) / sigma)


def enumerate_skip(logits, values, capacity, weighted):
    """The exact mean over all samples z and all orders in which an expert may keep them."""
    batch, experts = logits.shape
    choices = np.array(list(itertools.product(range(experts), repeat=batch)))  # [n^B, B]
    chances = np.exp(log_softmax(logits)[range(batch), choices].sum(axis=-1))  # [n^B]
    orders = np.array(list(itertools.permutations(range(batch))), float)  # [B!, B]
    shape = (len(choices), len(orders), batch)
    weights = skip_weights(
        np.broadcast_to(choices[:, np.newaxis], shape),
        np.broadcast_to(orders, shape),
        experts,
        capacity,
    )
    estimates = estimate(weights if weighted else weights > 0, values)  # [n^B, B!, d]
    return chances @ estimates.mean(axis=1)


def test_skip_is_exactly_unbiased_by_enumeration():
    logits, values, target = small_problem()
    np.testing.assert_allclose(enumerate_skip(logits, values, 2, weighted=True), target, atol=1e-14)


def test_skip_without_its_weights_is_biased_by_enumeration():
    logits, values, target = small_problem()
    assert np.abs(enumerate_skip(logits, values, 2, weighted=False) - target).max() > 0.05


def test_plain_skip_has_the_mean_that_enumeration_gives():
    logits, values, _ = small_problem()
    mean = enumerate_skip(logits, values, 2, weighted=False)
    assert error_in_sigmas(plain_skip, logits, values, mean, 2) < 4


@pytest.mark.parametrize(("experts", "capacity"), [(2, 2), (2, 3), (3, 2)])
@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_routers_agree_with_the_target_within_monte_carlo_error(name, experts, capacity):
    logits, values, target = small_problem(experts=experts)
    assert error_in_sigmas(UNBIASED[name], logits, values, target, capacity) < 4


@pytest.mark.parametrize("name", sorted(set(BIASED) - {"top_k_dropped"}))
def test_rivals_do_not_agree_with_the_target(name):
    logits, values, target = small_problem()
    assert error_in_sigmas(BIASED[name], logits, values, target, 2) > 20


def test_top_k_drops_the_examples_that_come_last():
    logits = np.array([[1.0, 0.0, -9.0], [1.0, -9.0, 0.0], [1.0, 0.0, -9.0]])
    one, other = 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))
    expected = [[one, other, 0], [0, 0, other], [0, 0, 0]]
    weights = top_k_dropped(logits, 1, np.random.default_rng(0))
    np.testing.assert_allclose(weights, expected, atol=1e-12)


@given(batches())
@settings(max_examples=60, deadline=None)
def test_the_assignment_is_the_best_of_all(batch):
    scores, capacity = batch
    total, choices = best_by_brute_force(scores, np.full(scores.shape[1], capacity))
    assert assign(scores, capacity).tolist() == list(choices)
    assert scores[range(len(scores)), choices].sum() == pytest.approx(total)


@given(batches(max_batch=5))
@settings(max_examples=40, deadline=None)
def test_the_value_of_the_others_is_that_of_solving_again_without_one(batch):
    scores, capacity = batch
    values = value_of_others(scores, assign(scores, capacity), capacity)
    for example, expert in np.ndindex(scores.shape):
        capacities = np.full(scores.shape[1], capacity)
        capacities[expert] -= 1
        others = np.delete(scores, example, axis=0)
        expected = best_by_brute_force(others, capacities)[0]
        assert values[example, expert] == pytest.approx(expected, abs=1e-9)


@st.composite
def routed_batches(draw):
    """(scores [B, n], c) as `balanced` meets them: Gumbel noise, and log p from even to absurd."""
    experts, batch = draw(st.integers(1, 9)), draw(st.integers(1, 120))
    capacity = -(-batch // experts) + draw(st.sampled_from([0, 0, 1, 5]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, skew = draw(st.sampled_from([0.0, 1.0, 30.0, 1e6])), draw(st.sampled_from([0, 3, 100]))
    logits = rng.normal(size=(batch, experts)) * scale + skew * np.linspace(0, 1, experts)
    scores = log_softmax(logits) + rng.gumbel(size=logits.shape)
    # Ties, where prices cannot tell the examples apart.
    return np.round(scores) if draw(st.booleans()) else scores, capacity


@given(routed_batches())
@settings(max_examples=150, deadline=None)
def test_the_assignment_has_the_total_of_a_linear_assignment_over_the_slots(batch):
    scores, capacity = batch
    choices = assign(scores, capacity)
    assert np.bincount(choices, minlength=scores.shape[1]).max() <= capacity
    expected = best_by_scipy(scores, np.full(scores.shape[1], capacity))
    np.testing.assert_allclose(scores[range(len(scores)), choices].sum(), expected, rtol=1e-9)


@given(routed_batches(), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_the_value_of_the_others_is_that_of_a_linear_assignment_without_one(batch, pick):
    scores, capacity = batch
    example, expert = np.unravel_index(pick % scores.size, scores.shape)
    capacities = np.full(scores.shape[1], capacity)
    capacities[expert] -= 1
    expected = best_by_scipy(np.delete(scores, example, axis=0), capacities)
    values = value_of_others(scores, assign(scores, capacity), capacity)
    np.testing.assert_allclose(values[example, expert], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dearest", [0.0, 3.0])
@pytest.mark.parametrize("capacity", [8, 9, 12])
def test_chains_reach_the_best_assignment_from_any_prices(capacity, dearest):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40, 5)) + np.linspace(0, 3, 5)
    prices = rng.uniform(0, dearest, size=5)
    choices = settle(scores.T, prices, np.argmax(scores - prices, axis=1), capacity)
    assert np.bincount(choices).max() <= capacity
    expected = best_by_scipy(scores, np.full(5, capacity))
    assert scores[range(40), choices].sum() == pytest.approx(expected)


def test_a_free_slot_that_has_a_price_is_misplaced_unless_all_slots_are_needed():
    dear = np.array([[0.0, 1.0]])
    assert count_misplaced(np.array([[0, 0, 1]]), dear, 2).tolist() == [1]
    assert count_misplaced(np.array([[0, 0, 1, 1]]), dear, 2).tolist() == [0]


@pytest.mark.parametrize("skew", [3.0, 200.0])
@pytest.mark.parametrize("capacity", [256, 320])
def test_prices_leave_few_examples_to_chains_even_where_all_want_the_same_expert(capacity, skew):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 2048, 8)) + np.linspace(0, skew, 8)
    scores = np.swapaxes(log_softmax(logits) + rng.gumbel(size=logits.shape), 1, 2)
    assert count_misplaced(np.argmax(scores, axis=1), np.zeros((2, 8)), capacity).min() > 400
    market = find_prices(scores, capacity)
    assert count_misplaced(market.choices, market.prices, capacity).max() <= 8


def test_the_value_of_the_others_is_right_where_chains_are_long():
    """Eight experts of one slot each, so that a chain may pass through many."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(8, 8)) - 0.8 * np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    choices = assign(scores, 1)
    values = value_of_others(scores, choices, 1)
    for example, expert in np.ndindex(scores.shape):
        rest = np.delete(np.delete(scores, example, axis=0), expert, axis=1)
        expected = rest[range(7), assign(rest, 1)].sum()
        assert values[example, expert] == pytest.approx(expected, abs=1e-9)


@given(batches())
@settings(max_examples=60, deadline=None)
def test_an_assigned_example_has_the_best_expert_given_the_others(batch):
    """What makes q the distribution of z_i."""
    scores, capacity = batch
    choices = assign(scores, capacity)
    best = np.argmax(scores + value_of_others(scores, choices, capacity), axis=-1)
    assert best.tolist() == choices.tolist()


@given(batches(max_batch=20, min_experts=2, max_experts=6), st.sampled_from(sorted(ROUTERS)))
@settings(max_examples=150, deadline=None)
def test_no_expert_computes_more_than_its_capacity(batch, name):
    logits, capacity = batch
    weights = ROUTERS[name](logits, capacity, np.random.default_rng(0))
    assert weights.shape == logits.shape and (weights >= 0).all()
    assert (weights > 0).sum(axis=0).max() <= capacity
    assert (weights > 0).sum(axis=1).max() <= (2 if name == "top_k_dropped" else 1)


@given(batches(max_batch=20, max_experts=6), st.sampled_from(["balanced", "greedy"]))
@settings(max_examples=60, deadline=None)
def test_balanced_and_greedy_routing_drop_nobody(batch, name):
    logits, capacity = batch
    weights = ROUTERS[name](logits, capacity, np.random.default_rng(0))
    assert ((weights > 0).sum(axis=1) == 1).all()


@pytest.mark.parametrize("name", UNBIASED)
def test_room_for_everybody_is_plain_sampling(name):
    logits, _, _ = small_problem(batch=6, experts=3)
    weights = UNBIASED[name](logits, 6, np.random.default_rng(0))
    np.testing.assert_allclose(weights.sum(axis=1), np.ones(6), atol=1e-12)


@pytest.mark.parametrize("name", ROUTERS)
def test_a_seed_makes_the_same_routing_again(name):
    logits, _, _ = small_problem(batch=6, experts=3)
    first, again = (ROUTERS[name](logits, 2, np.random.default_rng(7)) for _ in range(2))
    assert first.tolist() == again.tolist()


@pytest.mark.parametrize("name", sorted(set(ROUTERS) - {"top_k_dropped"}))
def test_another_seed_makes_another_routing(name):
    logits, _, _ = small_problem(batch=12, experts=3)
    first, other = (ROUTERS[name](logits, 4, np.random.default_rng(seed)) for seed in (1, 2))
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("name", ROUTERS)
def test_leading_axes_are_independent_batches(name):
    logits = np.random.default_rng(0).normal(size=(2, 3, 6, 3))
    weights = ROUTERS[name](logits, 2, np.random.default_rng(0))
    assert weights.shape == logits.shape
    assert (weights > 0).sum(axis=-2).max() <= 2


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize(
    ("capacity", "rule"),
    [
        (0, "`capacity` must be at least 1. Received: capacity=0"),
        (2, "at least the batch size. Received: capacity=2, num_experts=2, batch_size=5"),
    ],
)
def test_a_capacity_that_cannot_hold_the_batch_is_refused(name, capacity, rule):
    with pytest.raises(ConfigError, match=rule):
        ROUTERS[name](np.zeros((5, 2)), capacity, np.random.default_rng(0))


@pytest.mark.parametrize("k", [0, 3])
def test_top_k_of_no_or_too_many_experts_is_refused(k):
    with pytest.raises(ConfigError, match=f"Received: k={k}, num_experts=2"):
        top_k_dropped(np.zeros((2, 2)), 2, np.random.default_rng(0), k=k)


@pytest.mark.parametrize(
    ("logits", "rule"),
    [
        ([[0.0, np.nan]], "finite. Received: nan"),
        ([[0.0, -np.inf]], "finite. Received: -inf"),
        ([0.0, 1.0], "Received: shape=\\(2,\\)"),
        (np.zeros((0, 2)), "Received: shape=\\(0, 2\\)"),
    ],
)
def test_logits_that_are_no_batch_are_refused(logits, rule):
    with pytest.raises(ValueError, match=rule):
        UNBIASED["skip"](logits, 1, np.random.default_rng(0))
