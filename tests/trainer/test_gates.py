"""Laws of the gates, and the reference values of the papers' formulas."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer.gates.dselect_k import DSelectKGate
from trainer.gates.options import SoftmaxOptions, TopKOptions
from trainer.gates.registry import make_gate
from trainer.gates.selector_options import DSelectKOptions
from trainer.gates.smooth_step import bits_entropy, select_expert, smooth_step
from trainer.gates.top_k import keep_top_k

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "gates.json"
needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason="the golden values are not here")
NOTHING = tf.zeros([1, 1])


def golden(kind: str) -> list[dict]:
    return json.loads(GOLDEN.read_text())[kind] if GOLDEN.is_file() else []


def dselect_k(num_experts: int, k: int, num_tasks: int = 3, **options) -> DSelectKGate:
    gate = make_gate(
        num_tasks, num_experts, DSelectKOptions(kind="dselect_k", experts_per_task=k, **options)
    )
    gate(NOTHING)
    return gate


def harden(gate: DSelectKGate, seed: int = 0) -> None:
    """Moves every z to one of the flat ends of its smooth step, to a code that exists."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(gate.num_experts, size=gate.z.bias.shape[:-1])
    bits = codes[..., np.newaxis] >> np.arange(gate.num_bits) & 1
    gate.z.bias.assign((bits * 2.0 - 1.0) * gate.options.beta)


@needs_golden
@pytest.mark.parametrize("case", golden("dselect_k"), ids=lambda c: f"n{c['num_experts']}k{c['k']}")
def test_dselect_k_equals_the_golden_values(case):
    gate = dselect_k(
        case["num_experts"], case["k"], 1, beta=case["beta"], entropy_weight=1, unreachable_weight=1
    )
    gate.alpha.bias.assign([case["alpha"]])
    gate.z.bias.assign([case["z"]])
    with tf.GradientTape() as tape:
        output = gate(NOTHING)
        loss = tf.reduce_sum(output.weights[0] * np.float32(case["cotangent"]))
    gradients = tape.gradient(loss, [gate.alpha.bias, gate.z.bias])
    np.testing.assert_allclose(output.weights[0], case["weights"], atol=1e-6)
    np.testing.assert_allclose(output.penalties["entropy"], case["entropy"], atol=1e-6)
    unreachable = output.penalties.get("unreachable", 0.0)
    np.testing.assert_allclose(unreachable, case["unreachable_mass"], atol=1e-6)
    np.testing.assert_allclose(gradients[0][0], case["grad_alpha"], atol=1e-6)
    np.testing.assert_allclose(gradients[1][0], case["grad_z"], atol=1e-6)


@needs_golden
@pytest.mark.parametrize("case", golden("top_k"), ids=lambda c: f"k{c['k']}")
def test_top_k_equals_the_golden_values(case):
    weights = keep_top_k(tf.constant(case["logits"]), case["k"])
    np.testing.assert_allclose(weights, case["weights"], atol=1e-6)


@pytest.mark.parametrize("num_experts", [2, 4, 8, 16])
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("kind", ["softmax", "top_k", "dselect_k"])
def test_weights_lie_on_the_simplex(kind, per_example, k, num_experts):
    options = {
        "softmax": SoftmaxOptions(kind="softmax", per_example=per_example),
        "top_k": TopKOptions(kind="top_k", experts_per_task=k, per_example=per_example),
        "dselect_k": DSelectKOptions(kind="dselect_k", experts_per_task=k, per_example=per_example),
    }[kind]
    weights = make_gate(3, num_experts, options)(tf.random.normal([5, 4])).weights.numpy()
    assert weights.shape == ((5, 3, num_experts) if per_example else (3, num_experts))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("num_experts", range(1, 18))
def test_a_converged_dselect_k_uses_at_most_k_experts_with_weights_that_sum_to_one(num_experts):
    k = min(3, num_experts)
    gate = dselect_k(num_experts, k)
    harden(gate)
    weights = gate(NOTHING).weights.numpy()
    assert gate.converged().numpy().all()
    assert ((weights > 0).sum(-1) <= k).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert float(gate(NOTHING).penalties["entropy"]) == 0


def test_a_fresh_dselect_k_has_not_converged_and_its_selectors_can_move():
    gate = dselect_k(8, 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(gate(NOTHING).weights[:, 0])
    gradient = tape.gradient(loss, gate.z.bias).numpy()
    assert not gate.converged().numpy().any()
    assert np.abs(gradient).min() > 0


def test_a_converged_task_stays_converged_while_the_others_move():
    gate = dselect_k(8, 2)
    z = gate.z.bias.numpy()
    z[1] = gate.options.beta
    gate.z.bias.assign(z)
    assert gate.converged().numpy().tolist() == [False, True, False]
    with tf.GradientTape() as tape:
        loss = tf.add_n(list(gate(NOTHING).penalties.values()))
    gradient = tape.gradient(loss, gate.z.bias).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[1] == 0).all()


@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
def test_the_smooth_step_meets_its_ends_with_slope_zero(beta):
    ends = tf.constant([-beta / 2, 0.0, beta / 2])
    with tf.GradientTape() as tape:
        tape.watch(ends)
        values = smooth_step(ends, beta)
    np.testing.assert_allclose(values, [0, 0.5, 1], atol=1e-6)
    np.testing.assert_allclose(tape.gradient(values, ends), [0, 1.5 / beta, 0], rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_binary_has_slope_zero_and_stays_binary(compiled):
    """S in 32 bits is 0 and 1 already before its ends, where S' is up to 0.0009."""

    @tf.function(jit_compile=compiled)
    def both(t):
        with tf.GradientTape() as tape:
            tape.watch(t)
            values = smooth_step(t, 1.0)
        return values, tape.gradient(values, t)

    half = np.linspace(0.499, 0.5, 20_001, dtype=np.float32)
    for side in (half, -half):
        values, slope = (result.numpy() for result in both(tf.constant(side)))
        binary = (values == 0) | (values == 1)
        assert (slope[binary] == 0).all()
        assert binary[np.argmax(binary) :].all()


def test_each_code_selects_the_expert_with_its_binary_digits():
    codes = np.arange(8)
    bits = tf.constant(codes[:, np.newaxis] >> np.arange(3) & 1, tf.float32)
    np.testing.assert_array_equal(select_expert(bits), np.eye(8))


def test_the_entropy_of_the_bits_is_the_entropy_of_the_codes():
    bits = tf.random.uniform([20, 4], seed=1)
    codes = select_expert(bits).numpy()
    np.testing.assert_allclose(bits_entropy(bits), -(codes * np.log(codes)).sum(-1), rtol=1e-5)


def test_equal_logits_still_give_exactly_k_experts():
    weights = keep_top_k(tf.zeros([2, 6]), 2).numpy()
    assert (weights > 0).sum(-1).tolist() == [2, 2]


def test_the_penalty_of_a_per_example_gate_does_not_depend_on_the_batch_size():
    gate = make_gate(2, 8, DSelectKOptions(kind="dselect_k", per_example=True, entropy_weight=1))
    example = tf.random.normal([1, 4])
    one = gate(example).penalties["entropy"]
    many = gate(tf.repeat(example, 7, axis=0)).penalties["entropy"]
    np.testing.assert_allclose(one, many, rtol=1e-5)


def test_the_expected_union_of_a_converged_gate_is_its_union():
    gate = dselect_k(8, 2, num_tasks=4, serving_budget=2, budget_weight=0.5)
    harden(gate, seed=3)
    union = int(tf.math.count_nonzero(tf.reduce_any(gate.selected(), axis=0)))
    assert union > 2
    np.testing.assert_allclose(gate(NOTHING).penalties["union"], 0.5 * (union - 2), rtol=1e-6)


def test_a_budget_that_is_met_costs_nothing():
    gate = dselect_k(8, 2, num_tasks=4, serving_budget=8)
    assert float(gate(NOTHING).penalties["union"]) == 0


def test_a_gate_without_tasks_is_refused():
    with pytest.raises(ValueError, match="num_tasks=0"):
        make_gate(0, 4, SoftmaxOptions(kind="softmax"))
