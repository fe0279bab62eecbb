"""Laws that every gate of the registry keeps: one family, one suite."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from gate_family import FAMILY, NUM_TASKS, harden, objective, spread

from trainer.gates.base import Gate, GateOutput
from trainer.gates.registry import GATES, GateKind, make_gate, parse_gate
from transforms.errors import ConfigError
from transforms.section import load_section

every_gate = pytest.mark.parametrize("case", FAMILY.values(), ids=FAMILY)
INPUTS = np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32)
COTANGENT = np.random.default_rng(6).normal(size=(NUM_TASKS, 8))


def cases(**flags) -> pytest.MarkDecorator:
    """The gates with these flags."""
    chosen = {
        name: case
        for name, case in FAMILY.items()
        if all(getattr(case, flag) == value for flag, value in flags.items())
    }
    return pytest.mark.parametrize("case", chosen.values(), ids=chosen)


@pytest.fixture
def policy():
    """Sets Keras' policy for one test."""
    yield tf.keras.mixed_precision.set_global_policy
    tf.keras.mixed_precision.set_global_policy("float32")


def test_every_kind_of_the_registry_is_under_the_laws():
    assert {case.kind for case in FAMILY.values()} == set(GATES)


@cases(training_only=False)
def test_weights_lie_on_the_simplex_for_every_n(case):
    for n in range(1, 18):
        for k in {1 + n // 3, n} if case.has_k else {1}:
            gate = spread(case.make(n, k, tasks=2), seed=n)
            weights = gate(INPUTS[:2]).weights.numpy()
            rows = (2, gate.num_experts)
            assert weights.shape == ((2, *rows) if gate.per_example else rows)
            assert (weights >= 0).all()
            if case.sums_to_one or (case.kind == "dselect_k" and n & (n - 1) == 0):
                np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
            else:
                assert (weights.sum(-1) <= 1 + 1e-5).all()


@every_gate
def test_weights_in_training_lie_on_the_simplex_too(case):
    weights = spread(case.make())(INPUTS, training=True).weights.numpy()
    assert (weights >= 0).all()
    assert (weights.sum(-1) <= 1 + 1e-5).all()


@cases(converges=True, training_only=False)
def test_a_converged_gate_has_at_most_k_experts_a_task_and_sums_to_one(case):
    for n in range(1, 18):
        for k in {1 + n // 2}:
            gate = harden(case.make(n, k))
            weights = gate(INPUTS).weights.numpy()
            assert ((weights > 0).sum(-1) <= k).all()
            np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
            assert gate.per_example or gate.converged().numpy().all()


@pytest.mark.slow
@cases(has_k=True, training_only=False)
@pytest.mark.parametrize("n", range(1, 18))
def test_every_number_of_experts_goes_with_every_k(case, n):
    for k in range(1, n + 1):
        gate = spread(case.make(n, k, tasks=2), seed=k)
        weights = gate(INPUTS[:2]).weights.numpy()
        assert (weights >= 0).all()
        assert (weights.sum(-1) <= 1 + 1e-5).all()
        used = (weights > 0).sum(-1)
        if case.converges:
            used = (harden(gate, seed=k)(INPUTS[:2]).weights.numpy() > 0).sum(-1)
        assert (used >= 1).all() and (used <= k).all()


@cases(has_k=True, converges=False)
def test_a_top_k_gate_has_exactly_k_experts(case):
    for k in (1, 3, 8):
        gate = spread(case.make(8, k))
        for training in (False, True):
            weights = gate(INPUTS, training=training).weights.numpy()
            assert ((weights > 0).sum(-1) == k).all()


@every_gate
def test_the_selected_set_is_where_the_weights_are(case):
    gate = spread(case.make())
    selected = gate.selected().numpy()
    assert selected.shape == (gate.num_tasks, gate.num_experts)
    if gate.per_example:
        assert selected.all()
    else:
        np.testing.assert_array_equal(selected, gate(INPUTS).weights.numpy() > 0)


@cases(estimates=False)
def test_the_gradient_equals_finite_differences(case, policy):
    policy("float64")
    # Where a budget holds a bit back, the gradient is a projection's: not so near the middle.
    gate = spread(case.make(), scale=0.1)
    inputs, start = tf.constant(INPUTS, tf.float64), gate.get_weights()
    cotangent = COTANGENT[:, : gate.num_experts]

    def value() -> tf.Tensor:
        tf.random.set_seed(1)
        for variable, kept in zip(gate.non_trainable_variables, state, strict=True):
            variable.assign(kept)
        return objective(gate, inputs, cotangent)

    state = [variable.numpy() for variable in gate.non_trainable_variables]
    with tf.GradientTape() as tape:
        loss = value()
    variables = gate.trainable_variables
    rng, step = np.random.default_rng(3), 1e-6
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        direction = rng.normal(size=variable.shape)
        kept = variable.numpy()
        variable.assign(kept + step * direction)
        above = value()
        variable.assign(kept - step * direction)
        difference = (above - value()) / (2 * step)
        variable.assign(kept)
        assert np.isfinite(gradient).all()
        np.testing.assert_allclose(np.sum(gradient * direction), difference, rtol=1e-5, atol=1e-7)
    assert len(start) == len(gate.weights)


@every_gate
def test_gradients_are_finite_from_the_start_to_the_flat_ends(case):
    gates = [case.make(5), spread(case.make(5), scale=50.0)]
    gates += [harden(case.make(5))] if case.converges else []
    for gate in gates:
        for _ in range(12):
            with tf.GradientTape() as tape:
                loss = objective(gate, INPUTS, COTANGENT[:, : gate.num_experts])
            for gradient in tape.gradient(loss, gate.trainable_variables):
                assert np.isfinite(gradient).all()


@every_gate
def test_renaming_the_experts_renames_the_weights(case):
    gate = spread(case.make())
    before = gate(INPUTS).weights.numpy()
    if case.kind == "dselect_k":
        # Turning a bit of every selector over renames expert i to i xor 2.
        renamed = np.arange(8) ^ 2
        for variable in gate.z.trainable_variables:
            signs = np.broadcast_to([1.0, -1.0, 1.0], gate.z.tensor_shape)
            variable.assign(
                variable * signs.reshape(variable.shape[-signs.ndim :])
                if "bias" in variable.name
                else variable * signs.reshape(-1)
            )
    else:
        renamed = np.random.default_rng(1).permutation(gate.num_experts)
        for variable in gate.trainable_variables:
            by_expert = variable.shape[-1] % 8 == 0
            if by_expert:
                rows = variable.numpy().reshape(-1, 8)[:, renamed]
                variable.assign(rows.reshape(variable.shape))
    np.testing.assert_allclose(gate(INPUTS).weights, before[..., renamed], atol=1e-6)


@every_gate
def test_penalties_do_not_depend_on_the_batch_size(case):
    gate = spread(case.make())
    if case.kind == "noisy_top_k":
        gate.noise.kernel.assign(tf.zeros_like(gate.noise.kernel))
        gate.noise.bias.assign(tf.fill(gate.noise.bias.shape, -50.0))
    kept = gate.get_weights()
    few = gate(INPUTS, training=True).penalties
    gate.set_weights(kept)
    many = gate(np.tile(INPUTS, (4, 1)), training=True).penalties
    assert few.keys() == many.keys()
    for name in few:
        np.testing.assert_allclose(few[name], many[name], rtol=1e-4)


@every_gate
@pytest.mark.parametrize("half", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_layers_around_it_leave_the_gate_in_float32(case, half, policy):
    exact = spread(case.make())
    policy(half)
    gate = spread(case.make())
    inputs = tf.cast(INPUTS, half.removeprefix("mixed_"))
    output = gate(inputs)
    assert output.weights.dtype == tf.float32
    np.testing.assert_allclose(
        output.weights, exact(tf.cast(inputs, tf.float32)).weights, atol=1e-6
    )
    assert all(v.dtype in (tf.float32, tf.int64) for v in gate.weights)


@every_gate
def test_the_same_seed_trains_the_same(case):
    runs = []
    for seed in (3, 3, 4):
        tf.keras.utils.set_random_seed(seed)
        gate = case.make()
        first = gate(INPUTS, training=True).weights.numpy()
        runs.append([first, gate(INPUTS, training=True).weights.numpy(), *gate.get_weights()])
    for one, same in zip(runs[0], runs[1], strict=True):
        np.testing.assert_array_equal(one, same)
    if case.kind != "shared_bottom":
        assert (runs[0][0] != runs[2][0]).any()
    if case.is_random:
        assert (runs[0][0] != runs[0][1]).any(), "each step draws anew"


@every_gate
def test_a_checkpoint_brings_back_weights_and_state(case, tmp_path):
    gate, other = spread(case.make()), case.make()
    for _ in range(3):
        gate(INPUTS, training=True)
    path = tf.train.Checkpoint(gate=gate).write(str(tmp_path / "gate"))
    tf.train.Checkpoint(gate=other).read(path).assert_consumed()
    assert len(gate.weights) == len(other.weights)
    for left, right in zip(gate.weights, other.weights, strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(gate(INPUTS).weights, other(INPUTS).weights)


@every_gate
def test_a_saved_model_serves_the_same_weights(case, tmp_path):
    gate = spread(case.make())
    module = tf.Module()
    module.gate = gate
    module.serve = tf.function(
        lambda inputs: gate(inputs).weights,
        input_signature=[tf.TensorSpec([None, 4])],
        autograph=False,
    )
    expected = gate(INPUTS).weights.numpy()
    tf.saved_model.save(module, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(loaded.serve(INPUTS), expected, atol=1e-6)


@cases(on_host=False)
def test_a_compiled_step_equals_the_eager_one(case):
    gate = spread(case.make())
    cotangent = COTANGENT[:, : gate.num_experts]
    kept = gate.get_weights()

    def step(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        served = gate(inputs).weights
        with tf.GradientTape() as tape:
            loss = objective(gate, inputs, cotangent)
        return served, loss, tape.gradient(loss, gate.trainable_variables)

    eager = step(tf.constant(INPUTS))
    states = gate.get_weights()
    gate.set_weights(kept)
    compiled = tf.function(step, jit_compile=True, autograph=False)(tf.constant(INPUTS))
    np.testing.assert_allclose(compiled[0], eager[0], atol=1e-6)
    for left, right in zip(states, gate.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
    for left, right in zip(compiled[2], eager[2], strict=True):
        assert np.isfinite(left).all()
        if not case.is_random:
            np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.slow
def test_two_replicas_train_as_one():
    root = Path(__file__).resolve().parents[2]
    script = Path(__file__).with_name("replica_gates.py")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("section", "rule"),
    [
        ({"kind": "nope"}, "gate: `kind` must be one of softmax, .*Received: 'nope'"),
        ({"kind": ["top_k"]}, "gate: `kind` must be one of"),
        ("top_k", "gate: must be a mapping with `kind`. Received: 'top_k'"),
        ({"kind": "top_k", "experts_per_task": 0}, r"equal to 1\. Received: 0"),
        ({"kind": "dselect_k", "beta": 0}, r"gate\.beta: .*greater than 0\. Received: 0"),
        ({"kind": "dselect_k", "beta": -1.5}, r"greater than 0\. Received: -1.5"),
        ({"kind": "dselect_k", "beta_steps": 0}, r"equal to 1\. Received: 0"),
        ({"kind": "dselect_k", "unused_codes": "drop"}, "'penalty' or 'random'. Received: 'drop'"),
        (
            {"kind": "dselect_k", "per_example": True, "serving_budget": 4},
            "`serving_budget` needs a static gate. Received: per_example=True",
        ),
        ({"kind": "dselect_k_annealed", "serving_budget": 0}, r"equal to 1\. Received: 0"),
        ({"kind": "gumbel_softmax", "budget_growth": -1}, r"equal to 0\. Received: -1"),
        ({"kind": "top_k", "serving_budget": 4}, r"gate\.serving_budget: .*Received: 4"),
        ({"kind": "gumbel_softmax", "temperature": 0}, r"greater than 0\. Received: 0"),
        ({"kind": "gumbel_softmax", "per_example": True}, r"per_example: .*Received: True"),
        ({"kind": "noisy_top_k", "per_example": False}, r"per_example: .*Received: False"),
        ({"kind": "sampled", "capacity_factor": 0}, r"capacity_factor: .*equal to 1\. Received: 0"),
        ({"kind": "sampled", "capacity_factor": -0.5}, r"equal to 1\. Received: -0.5"),
        ({"kind": "sampled", "router": "fair"}, r"'skip'.* or 'top_k_dropped'\. Received: 'fair'"),
        (
            {"kind": "sampled", "experts_per_task": 2},
            "1 with any other. Received: experts_per_task=2, router=skip",
        ),
        (
            {"kind": "sampled", "router": "top_k_dropped"},
            "at least 2 with `router: top_k_dropped`.*Received: experts_per_task=1",
        ),
        (
            {"kind": "sampled", "balance": {"kind": "relative"}},
            "must be `importance` or `kl`.*Received: kind=relative",
        ),
        ({"kind": "top_k", "balance": {"kind": "kl"}}, "per-example gate. Received: per_exam"),
        (
            {"kind": "top_k", "per_example": True, "balance": {"kind": "fair"}},
            r"gate\.balance: `kind` must be one of importance, kl, relative, mean\. .*'fair'",
        ),
        (
            {"kind": "dselect_k", "per_example": True, "balance": {"kind": "mean"}},
            "must be `importance` or `kl`.*Received: kind=mean",
        ),
        (
            {"kind": "top_k", "per_example": True, "balance": {"kind": "kl", "weight": -1}},
            r"gate\.balance\.weight: .*Received: -1",
        ),
    ],
)
def test_a_bad_option_is_refused_with_the_rule_and_the_value(section, rule):
    from trainer.config import TrainerConfig

    with pytest.raises(ConfigError, match=rule):
        load_section(TrainerConfig, {"features": {}, "tasks": {}, "gate": section}, "bad.yaml")


@cases(has_k=True)
def test_more_experts_per_task_than_experts_are_refused(case):
    with pytest.raises(ValueError, match="experts_per_task=9, num_experts=8"):
        case.make(8, 9)


class UniformGate(Gate):
    """A user's own gate."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        shape = [self.num_tasks, self.num_experts]
        return GateOutput(tf.fill(shape, 1.0 / self.num_experts), {})


def test_a_gate_of_your_own_is_one_class_and_one_line(monkeypatch):
    monkeypatch.setitem(GATES, "uniform", GateKind(f"{__name__}.UniformGate"))
    gate = make_gate(2, 4, parse_gate({"kind": "uniform"}))
    assert isinstance(gate, UniformGate)
    np.testing.assert_allclose(gate(INPUTS).weights, np.full((2, 4), 0.25))
    assert not gate.converged().numpy().any()
    assert gate.selected().numpy().all()
