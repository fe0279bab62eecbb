"""The fast gates equal the plain reference, on chosen and on drawn cases."""

import json
from pathlib import Path

import numpy as np
import pytest
import reference_gates as reference
import tensorflow as tf
from gate_family import FAMILY, spread
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainer.gates.annealing import LogUniformlyAnnealed, QuadraticallyAnnealed
from trainer.gates.balance import make_balance
from trainer.gates.balance_options import BALANCES
from trainer.gates.importance import divergence_from_uniform, living_experts, squared_variation
from trainer.gates.noisy_top_k import chance_of_selection
from trainer.gates.pressure import expected_union
from trainer.gates.smooth_step import select_expert, smooth_step
from trainer.gates.top_k import find_largest, keep_top_k

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "gates.json"
NOTHING = np.zeros([1, 4], np.float32)
SIZES = [(1, 1), (2, 1), (5, 2), (6, 6), (8, 2), (13, 4), (16, 4), (17, 3)]
sizes = pytest.mark.parametrize(("n", "k"), SIZES)
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def rows(gate) -> dict[str, np.ndarray]:
    """The biases of a static gate by name."""
    return {
        name: getattr(gate, name).bias.numpy().astype(float)
        for name in ("alpha", "z", "gamma", "coins", "logits")
        if hasattr(gate, name)
    }


@sizes
def test_dselect_k_equals_the_reference(n, k):
    gate = spread(FAMILY["dselect-k"].make(n, k, entropy_weight=1, beta=0.7))
    output, at = gate(NOTHING), rows(gate)
    found = [reference.dselect_k(at["alpha"][t], at["z"][t], 0.7, n) for t in range(3)]
    np.testing.assert_allclose(output.weights, [w for w, _, _ in found], atol=1e-6)
    entropies, unreachable = sum(e for _, e, _ in found), sum(u for _, _, u in found)
    np.testing.assert_allclose(output.penalties["entropy"], entropies, rtol=1e-5)
    np.testing.assert_allclose(output.penalties.get("unreachable", 0), unreachable, atol=1e-5)


@pytest.mark.parametrize("n", [3, 5, 6, 7, 9, 17])
def test_random_codes_each_stand_for_an_expert_of_their_own(n):
    gate = spread(FAMILY["dselect-k-random-codes"].make(n, 2 if n > 2 else 1))
    at, seen = rows(gate), []
    size = 2**gate.num_bits
    for code in range(size):
        bits = code >> np.arange(gate.num_bits) & 1
        gate.z.bias.assign(np.broadcast_to(bits * 2.0 - 1.0, at["z"].shape))
        weights = gate(NOTHING).weights.numpy()
        assert np.count_nonzero(weights[0]) == 1
        seen.append(int(weights[0].argmax()))
    assert seen[:n] == list(range(n))
    assert len(set(seen[n:])) == size - n
    assert "unreachable" not in gate(NOTHING).penalties


def test_another_seed_gives_the_unused_codes_to_other_experts():
    inputs = np.tile(NOTHING, (2, 1))
    one, same, other = (
        spread(FAMILY["dselect-k-random-codes"].make(9, 2, unused_codes_seed=seed))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one(inputs).weights, same(inputs).weights)
    assert (one(inputs).weights.numpy() != other(inputs).weights.numpy()).any()


@sizes
def test_top_k_and_softmax_equal_the_reference(n, k):
    top, soft = spread(FAMILY["top-k"].make(n, k)), spread(FAMILY["softmax"].make(n))
    expected = [reference.top_k(row, k) for row in rows(top)["logits"]]
    np.testing.assert_allclose(top(NOTHING).weights, expected, atol=1e-6)
    expected = [reference.softmax(row) for row in rows(soft)["logits"]]
    np.testing.assert_allclose(soft(NOTHING).weights, expected, atol=1e-6)


@sizes
def test_gumbel_softmax_equals_the_reference(n, k):
    gate = spread(FAMILY["gumbel"].make(n, usage_weight=1), scale=2.0)
    output, at = gate(NOTHING), rows(gate)
    found = [reference.gumbel_softmax(a, c) for a, c in zip(at["alpha"], at["coins"], strict=True)]
    np.testing.assert_allclose(output.weights, [w for w, _ in found], atol=1e-6)
    np.testing.assert_allclose(output.penalties["usage"], sum(p for _, p in found), rtol=1e-5)


def test_relaxed_coins_fall_as_often_as_their_chance_says():
    gate = FAMILY["gumbel"].make(4, temperature=1e-3)
    logits = np.log([0.1, 0.3, 0.5, 0.9]) - np.log1p([-0.1, -0.3, -0.5, -0.9])
    gate.coins.bias.assign(np.broadcast_to(logits, [3, 4]))
    gate.alpha.bias.assign(np.zeros([3, 4]))
    tf.random.set_seed(2)
    tosses = tf.function(lambda: tf.map_fn(lambda _: gate._toss(gate.coins.bias), tf.range(3000.0)))
    np.testing.assert_allclose(tf.reduce_mean(tosses(), [0, 1]), [0.1, 0.3, 0.5, 0.9], atol=0.02)


@sizes
def test_the_ablations_equal_the_reference(n, k):
    entropic = spread(FAMILY["entropy"].make(n, k, entropy_weight=1), scale=1.0)
    annealed = spread(FAMILY["annealed"].make(n, k, start_temperature=3.0))
    for gate, tau in ((annealed, 3.0), (entropic, 1.0)):
        output, at = gate(NOTHING), rows(gate)
        pairs = zip(at["alpha"], at["gamma"], strict=True)
        found = [reference.softmax_selectors(a, g, tau) for a, g in pairs]
        np.testing.assert_allclose(output.weights, [w for w, _ in found], atol=1e-6)
    np.testing.assert_allclose(output.penalties["entropy"], sum(e for _, e in found), atol=1e-5)


def test_the_temperature_falls_by_the_same_factor_each_step_and_then_stays():
    falling = LogUniformlyAnnealed(10.0, 17, "tau", tf.float32)
    values = []
    for _ in range(20):
        values.append(float(falling(None)))
        falling.advance(NOTHING)
    np.testing.assert_allclose(values[:18], 10.0 ** np.arange(1.0, -17.0, -1.0), rtol=1e-4)
    np.testing.assert_allclose(values[18:], 1e-16, rtol=1e-4)


def test_beta_falls_faster_and_faster_and_then_stays():
    falling = QuadraticallyAnnealed(3.0, 10, "beta", tf.float32)
    values = []
    for _ in range(12):
        values.append(float(falling(None)))
        falling.advance(NOTHING)
    np.testing.assert_allclose(values[:10], 3.0 * np.linspace(1, 0.1, 10) ** 2, rtol=1e-5)
    np.testing.assert_allclose(values[10:], 1e-16, rtol=1e-5)


def test_an_annealed_gate_ends_with_k_experts_a_task_and_not_before():
    gate = spread(FAMILY["annealed"].make())
    assert not gate.converged().numpy().any()
    for _ in range(10):
        gate(NOTHING, training=True)
    assert gate.converged().numpy().all()
    assert ((gate(NOTHING).weights.numpy() > 0).sum(-1) <= 2).all()


def test_annealed_beta_leaves_every_example_at_most_k_experts():
    gate = spread(FAMILY["dselect-k-beta"].make())
    inputs = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    assert ((gate(inputs).weights.numpy() > 0).sum(-1) > 2).any()
    for _ in range(10):
        gate(inputs, training=True)
    assert ((gate(inputs).weights.numpy() > 0).sum(-1) <= 2).all()


@quick
@given(seed=seeds, n=st.integers(2, 17), data=st.data())
def test_load_is_the_reference(seed, n, data):
    k, rng = data.draw(st.integers(1, n - 1)), np.random.default_rng(seed)
    clean, noisy = rng.normal(size=(2, n))
    deviation = rng.uniform(0.1, 2, n)
    largest = find_largest(tf.constant(noisy), k + 1)
    found = chance_of_selection(*(tf.constant(x) for x in (clean, noisy, deviation)), largest)
    np.testing.assert_allclose(found, reference.load(clean, noisy, deviation, k), atol=1e-6)


def test_where_all_experts_are_selected_the_load_is_even():
    gate = spread(FAMILY["noisy-top-k"].make(4, 4))
    assert float(gate(np.ones([5, 4], np.float32), training=True).penalties["load"]) == 0


@pytest.mark.parametrize("k", [1, 2, 8, 9, 12])
@pytest.mark.parametrize("compiled", [False, True])
def test_of_equal_logits_the_first_are_the_largest(k, compiled):
    logits = np.random.default_rng(k).integers(3, size=(50, 12)).astype(np.float32)
    logits[:, ::5] = tf.float32.min  # barred
    find = tf.function(lambda x: find_largest(x, k), jit_compile=compiled)
    expected = np.argsort(-logits, axis=-1, kind="stable")[:, :k]
    np.testing.assert_array_equal(find(logits), expected)


@quick
@given(seed=seeds, n=st.integers(1, 17), data=st.data())
def test_any_logits_keep_k_experts(seed, n, data):
    k, rng = data.draw(st.integers(1, n)), np.random.default_rng(seed)
    logits = np.round(rng.normal(size=(3, n)) * rng.choice([1, 1e3]), 1)
    weights = keep_top_k(tf.constant(logits), k).numpy()
    np.testing.assert_allclose(weights, [reference.top_k(row, k) for row in logits], atol=1e-6)


@quick
@given(seed=seeds, m=st.integers(0, 5), beta=st.floats(0.01, 100))
def test_any_selector_is_the_reference(seed, m, beta):
    z = np.random.default_rng(seed).normal(size=m) * beta / 2
    codes = select_expert(smooth_step(tf.constant(z), beta)).numpy()
    # A bit that 32 bits would round to 0 or 1 is 0 or 1.
    np.testing.assert_allclose(codes, reference.selector(z, beta), atol=2e-7)
    np.testing.assert_allclose(codes.sum(), 1)
    assert (codes >= 0).all()


def test_the_gradient_of_the_expected_union_is_the_chance_that_nobody_else_uses_the_expert():
    codes = tf.constant(np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 2)))
    with tf.GradientTape() as tape:
        tape.watch(codes)
        union = expected_union(codes)
    unused = np.prod(1 - codes.numpy(), axis=(0, 1))
    np.testing.assert_allclose(tape.gradient(union, codes), unused / (1 - codes.numpy()))


@quick
@given(seed=seeds, tasks=st.integers(1, 2), k=st.integers(1, 2))
def test_the_expected_union_is_what_enumeration_says(seed, tasks, k):
    codes = np.random.default_rng(seed).dirichlet(np.ones(4), size=(tasks, k))
    found = expected_union(tf.constant(codes))
    np.testing.assert_allclose(found, reference.expected_union(codes.reshape(-1, 4)))


@pytest.mark.parametrize("name", ["gumbel", "annealed", "entropy", "dselect-k"])
def test_the_union_of_every_budgeted_gate_is_what_enumeration_says(name):
    gate = spread(FAMILY[f"{name}-budget"].make(4, 1, budget_weight=2.0), scale=1.5)
    at = rows(gate)
    if name == "gumbel":
        chances = 1 / (1 + np.exp(-at["coins"]))  # [T, n]
        union = np.sum(1 - np.prod(1 - chances, axis=0))
    else:
        selectors = {
            "dselect-k": lambda: [reference.selector(z, 1) for z in at["z"][:, 0]],
            "annealed": lambda: [reference.softmax(row / 10) for row in at["gamma"][:, 0]],
            "entropy": lambda: [reference.softmax(row) for row in at["gamma"][:, 0]],
        }[name]()
        union = reference.expected_union(selectors)
    penalties = gate(NOTHING).penalties
    np.testing.assert_allclose(penalties["union"], 2.0 * (union - 1), rtol=1e-5)


@quick
@given(seed=seeds, n=st.integers(1, 17), dead=st.booleans())
def test_importance_measures_are_the_reference(seed, n, dead):
    importance = np.random.default_rng(seed).exponential(size=n)
    if dead and n > 1:
        importance[0] = 0.0
    tensor = tf.constant(importance)
    expected = reference.importance_penalty(importance)
    np.testing.assert_allclose(squared_variation(tensor), expected, atol=1e-9)
    expected = reference.kl_penalty(importance)
    np.testing.assert_allclose(divergence_from_uniform(tensor), expected, atol=1e-9)
    assert int(living_experts(tensor)) <= n - (dead and n > 1)


@pytest.mark.skipif(not GOLDEN.is_file(), reason="the golden values are not here")
def test_importance_penalties_equal_the_golden_values():
    for case in json.loads(GOLDEN.read_text())["top_k"]:
        importance = tf.reduce_sum(keep_top_k(tf.constant(case["logits"]), case["k"]), axis=0)
        expected = case["importance_cv_squared"]
        np.testing.assert_allclose(squared_variation(importance), expected, atol=1e-6)
        expected = case["importance_kl"]
        np.testing.assert_allclose(divergence_from_uniform(importance), expected, atol=1e-6)


@pytest.mark.skipif(not GOLDEN.is_file(), reason="the golden values are not here")
def test_the_reference_itself_equals_the_golden_values():
    golden = json.loads(GOLDEN.read_text())
    for case in golden["dselect_k"]:
        found = reference.dselect_k(case["alpha"], case["z"], case["beta"], case["num_experts"])
        np.testing.assert_allclose(found[0], case["weights"], atol=1e-9)
        np.testing.assert_allclose(found[1:], (case["entropy"], case["unreachable_mass"]))
    for case in golden["top_k"]:
        weights = [reference.top_k(row, case["k"]) for row in case["logits"]]
        np.testing.assert_allclose(weights, case["weights"], atol=1e-9)


@pytest.mark.parametrize("kind", ["relative", "mean"])
@pytest.mark.parametrize(("n", "k"), [(4, 1), (5, 2), (3, 3), (8, 7)])
def test_hard_balance_bars_and_remembers_as_the_reference(kind, n, k):
    rng = np.random.default_rng(n)
    batches = rng.normal(size=(12, 6, n)) + np.linspace(0, 4, n)
    options = BALANCES[kind](kind=kind, threshold=0.3)
    balance = make_balance(options, 1, n, k, tf.float64)
    barred_sets, surplus = reference.hard_balance(kind, batches.tolist(), k, 0.3)
    for batch, expected in zip(batches, barred_sets, strict=True):
        assert set(np.flatnonzero(balance.barred()[0])) == expected
        assert n - len(expected) >= k
        balance.penalties(keep_top_k(balance.restrict(tf.constant(batch[:, np.newaxis])), k))
    np.testing.assert_allclose(balance.surplus[0], surplus, atol=1e-9)
    assert k == n or any(barred_sets), "the case must bar somebody"


@pytest.mark.parametrize("kind", ["relative", "mean"])
def test_barred_experts_are_back_outside_training(kind):
    gate = spread(FAMILY[f"top-k-{kind}"].make(4, 1))
    gate.logits.bias.assign(np.broadcast_to([9.0, 0.0, 0.0, 0.0], [3, 4]))
    inputs = np.zeros([5, 4], np.float32)
    first = gate(inputs, training=True).weights.numpy()
    second = gate(inputs, training=True).weights.numpy()
    np.testing.assert_allclose(first[..., 0], 1.0, rtol=1e-6)
    assert (second[..., 0] == 0).all()
    np.testing.assert_allclose(gate(inputs).weights[..., 0], 1.0, rtol=1e-6)


@pytest.mark.parametrize("kind", ["importance", "kl"])
def test_a_soft_balance_evens_the_importance_out(kind):
    gate = spread(FAMILY[f"top-k-{kind}"].make(4, 2, tasks=1))
    gate.logits.bias.assign([[0.5, 0.3, 0.0, 0.0]])
    inputs = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    optimizer = tf.keras.optimizers.Adam(0.05)
    variation = []
    for _ in range(60):
        with tf.GradientTape() as tape:
            output = gate(inputs, training=True)
            penalty = output.penalties[f"balance_{kind}"]
        variables = gate.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(penalty, variables), variables, strict=True))
        variation.append(float(squared_variation(tf.reduce_sum(output.weights[:, 0], 0))))
    assert variation[-1] < 0.2 * variation[0]


@quick
@given(
    name=st.sampled_from(sorted(FAMILY)), seed=seeds, n=st.integers(1, 17), share=st.floats(0, 1)
)
def test_any_gate_of_any_size_yields_weights_of_at_most_one(name, seed, n, share):
    case = FAMILY[name]
    assume(n >= case.options.get("experts_per_task", 1))
    gate = spread(case.make(n, 1 + int(share * (n - 1)), tasks=2), seed, scale=1.0)
    inputs = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
    for training in (True, False):
        weights = gate(inputs, training=training).weights.numpy()
        assert (weights >= 0).all()
        assert (weights.sum(-1) <= 1 + 1e-5).all()
        # In training an example may find no room with its expert.
        if case.sums_to_one and not (training and case.kind == "sampled"):
            np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
