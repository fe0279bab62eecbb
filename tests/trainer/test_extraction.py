"""Experts of a task's own, and experts of several levels."""

import re

import numpy as np
import pytest
import tensorflow as tf
from small_ranker import TASKS, make_batch, make_config, make_ranker

from trainer.config import TrainerConfig
from trainer.export.forward import FullForward
from trainer.export.pruned_forward import PrunedForward
from trainer.export.save import make_manifest
from trainer.gates.grouped import GroupedGate, ProgressiveGate, find_owners
from trainer.gates.registry import make_gate, parse_gate

GATES = {
    "softmax": {"kind": "softmax"},
    "softmax-per-example": {"kind": "softmax", "per_example": True},
    "top-k": {"kind": "top_k"},
    "noisy-top-k": {"kind": "noisy_top_k"},
    "gumbel": {"kind": "gumbel_softmax"},
    "dselect-k": {"kind": "dselect_k", "experts_per_task": 2},
    "annealed": {"kind": "dselect_k_annealed"},
}
SPARSE = {"kind": "top_k", "experts_per_task": 1}


def extraction(own=1, levels=1, **gate) -> TrainerConfig:
    """3 shared experts."""
    model = {"num_experts": 3, "own_experts": own, "extraction_levels": levels}
    return make_config(model=model, gate=gate or {"kind": "softmax"})


def test_without_own_experts_it_is_the_plain_mixture():
    plain, grouped = make_ranker(make_config()), make_ranker(make_config(model={"own_experts": 0}))
    for batch in (make_batch(seed=i) for i in range(3)):
        plain.train_step(batch)
        grouped.train_step(batch)
    np.testing.assert_array_equal(plain(make_batch()).logits, grouped(make_batch()).logits)
    assert type(grouped.gate) is type(make_gate(3, 4, parse_gate({"kind": "softmax"})))


def test_a_group_without_own_experts_equals_the_gate_inside():
    for options in GATES.values():
        section = parse_gate(options)
        tf.keras.utils.set_random_seed(2)
        plain = make_gate(3, 4, section)(tf.ones([5, 2])).weights
        tf.keras.utils.set_random_seed(2)
        grouped = GroupedGate(3, 4, 0, section)(tf.ones([5, 2])).weights
        np.testing.assert_array_equal(plain, grouped)


@pytest.mark.parametrize("options", GATES.values(), ids=GATES)
@pytest.mark.parametrize("own", [1, 2])
def test_no_task_weighs_another_ones_experts(options, own):
    gate = GroupedGate(3, 4, own, parse_gate(options))
    output = gate(tf.random.normal([5, 2]), training=True)
    foreign = foreign_experts(4, own)
    assert (output.weights.numpy()[..., foreign] == 0).all()
    assert not gate.selected().numpy()[foreign].any()
    inside = gate.inner(tf.zeros([1, 2])).weights.numpy()
    outside = gate(tf.zeros([1, 2])).weights.numpy()
    np.testing.assert_allclose(inside.sum(-1), outside.sum(-1), atol=1e-6)


def foreign_experts(shared: int, own: int) -> np.ndarray:
    """[T, n]: experts of another task."""
    owners = find_owners(3, shared, own)
    return (owners != 3) & (owners != np.arange(3)[:, np.newaxis])


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("options", GATES.values(), ids=GATES)
def test_a_tasks_own_experts_learn_from_its_loss_alone(options, levels):
    ranker = make_ranker(extraction(own=2, levels=levels, **options))
    mine = np.flatnonzero(ranker.owners == 0)
    with tf.GradientTape() as tape:
        logits = ranker(make_batch()).logits
        others = tf.reduce_sum(logits[1:] ** 2)
    kernel = ranker.experts.layers[0].kernel
    gradient = tape.gradient(others, kernel).numpy()
    assert not gradient[mine].any()
    assert gradient.any()


def test_the_serving_budget_counts_each_tasks_own_experts():
    section = parse_gate({"kind": "dselect_k", "experts_per_task": 1, "serving_budget": 2})
    gate = GroupedGate(3, 3, 1, section)
    gate(tf.zeros([1, 1]))
    # Every selector takes the last of its task's four experts: three experts, one over.
    gate.inner.z.bias.assign(tf.fill([3, 1, 2], 9.0))
    output = gate(tf.zeros([1, 1]))
    np.testing.assert_allclose(output.penalties["union"], 0.01 * 1.0, rtol=1e-5)
    gate.inner.z.bias.assign(tf.fill([3, 1, 2], -9.0))
    assert float(gate(tf.zeros([1, 1])).penalties["union"]) == 0.0, "all take the first, shared"


@pytest.mark.parametrize("options", GATES.values(), ids=GATES)
def test_levels_are_extracted_as_in_the_paper(options):
    ranker = make_ranker(extraction(own=1, levels=2, **options))
    inputs = tf.random.normal([7, 4])
    gate = ranker.gate(ranker.cross(inputs))
    below, above = ranker.lower_experts[0].layers[0], ranker.experts.layers[0]

    def expert(layer, i, x):
        return tf.nn.relu(x @ layer.kernel[i] + layer.bias[i])  # [B, e]

    def mix(weights, row, outputs):
        w = weights[..., row, :] if weights.shape.rank == 3 else weights[row][tf.newaxis]
        return sum(w[:, i : i + 1] * output for i, output in enumerate(outputs))

    first = [expert(below, i, ranker.cross(inputs)) for i in range(6)]
    read = [mix(gate.lower[0], row, first) for row in range(4)]
    second = [expert(above, i, read[owner]) for i, owner in enumerate(ranker.owners)]
    towers = ranker.towers(tf.stack([mix(gate.weights, task, second) for task in range(3)]))
    expected = tf.squeeze(ranker.heads(towers), -1)
    np.testing.assert_allclose(ranker.from_inputs(inputs, None).logits, expected, atol=1e-5)


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("tasks", [[0], [2], [0, 2], [0, 1, 2]])
def test_serving_skips_what_no_task_reaches_and_changes_nothing(levels, tasks):
    ranker = make_ranker(extraction(own=1, levels=levels, **SPARSE), seed=4)
    inputs, position = tf.random.normal([5, 4]), tf.ones([5], tf.int64)
    full = FullForward(ranker)(inputs, position, tasks)
    pruned = PrunedForward(ranker)
    np.testing.assert_allclose(pruned(inputs, position, tasks), full, atol=1e-6)
    kept = [len(level.experts.members[0]) for level in pruned.levels]
    used = [len(level) for level in ranker.used_experts()]
    assert kept == used
    assert all(n <= 4 for n in used), "k = 1: a task's expert each, and one for the shared ones"
    manifest = make_manifest(ranker, [])
    assert manifest["union"] == ranker.used_experts()[-1].tolist()
    assert [len(level) for level in manifest["lower_unions"]] == used[:-1]
    assert manifest["expert_owners"] == [None] * 3 + list(TASKS)
    per_expert = [4 * 6 + 6, 6 * 6 + 6, 6 * 6 + 6][:levels]
    costs = manifest["parameters"]
    skipped = sum((6 - n) * size for n, size in zip(used, per_expert, strict=True))
    assert costs["full"] - costs["pruned"] == skipped


@pytest.mark.parametrize("levels", [1, 2])
def test_the_union_of_levels_trains_as_all_experts_would(levels):
    config = extraction(own=1, levels=levels, **SPARSE)
    whole, narrow = make_ranker(config, seed=4), make_ranker(config, seed=4)
    # As if the gate had decided: of Top-k no logit moves here, for k is 1.
    narrow.narrow()
    assert sum(len(level.indices) for level in narrow.union.levels) == narrow.union.num_experts
    assert narrow.union.num_experts < levels * 6
    for i in range(4):
        whole.train_step(make_batch(seed=i))
        narrow.train_step(make_batch(seed=i))
    narrow.widen()
    for a, b in zip(whole.get_weights(), narrow.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["Adam", "Adagrad"])
def test_the_optimizers_slots_follow_the_experts_of_their_level(optimizer):
    config = extraction(own=1, levels=2, **SPARSE)
    pair = []
    for is_narrow in (False, True):
        ranker = make_ranker(config, seed=4)
        ranker.compile(optimizer=getattr(tf.keras.optimizers, optimizer)(0.01))
        ranker.optimizer.build(ranker.trainable_variables)
        for i in range(6):
            if is_narrow and i == 2:
                ranker.narrow()
            ranker.train_step(make_batch(seed=i))
        ranker.widen()
        pair.append(ranker)
    whole, narrow = pair
    np.testing.assert_allclose(whole(make_batch()).logits, narrow(make_batch()).logits, atol=1e-5)


def test_levels_have_gates_of_every_level_and_converge_together():
    section = parse_gate({"kind": "dselect_k", "experts_per_task": 1, "beta_steps": 5})
    gate = ProgressiveGate(3, 3, 1, 2, section)
    gate(tf.zeros([1, 1]))
    assert gate.will_converge
    for level in gate.task_gates:
        level.inner.z.bias.assign(tf.fill(level.inner.z.bias.shape, 9.0))
    assert not gate.converged().numpy().any(), "the shared experts' gate is open"
    shared = gate.shared_gates[0].z.bias
    shared.assign(tf.fill(shared.shape, 9.0))
    assert gate.converged().numpy().all()


@pytest.mark.parametrize(
    ("model", "gate", "rule"),
    [
        ({"extraction_levels": 2}, {}, "more than one of `extraction_levels` needs `own_experts`"),
        (
            {"num_experts": 2, "own_experts": 1},
            {"kind": "top_k", "experts_per_task": 4},
            "experts_per_task=4, num_experts=2 + own_experts=1",
        ),
        (
            {"own_experts": 1, "extraction_levels": 2},
            {"kind": "dselect_k", "serving_budget": 2},
            "a `serving_budget` counts the experts of one level",
        ),
        (
            {"own_experts": 1, "extraction_levels": 2},
            {"kind": "sampled"},
            "`sampled` weighs each loss by the experts of one level",
        ),
        ({"num_experts": 1000, "own_experts": 60}, {}, "at most 1024 experts"),
    ],
)
def test_experts_that_cannot_be_are_refused(model, gate, rule):
    with pytest.raises(ValueError, match=re.escape(rule)):
        make_config(model=model, gate=gate or {"kind": "softmax"})


def test_a_shared_bottom_has_no_own_experts():
    ranker = make_ranker(extraction(own=2, kind="shared_bottom"))
    assert ranker.experts.layers[0].kernel.shape[0] == 1
