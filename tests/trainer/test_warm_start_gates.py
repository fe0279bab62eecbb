"""What gates had decided in the model before stays decided, over other experts and tasks."""

import numpy as np
import pytest
from gate_family import harden
from warm_rankers import (
    GATES,
    K2,
    OLD,
    assert_same,
    make_config,
    make_ranker,
    predict,
    save,
    start,
    train_a_little,
)

from trainer.warm_start.variables import find_gates


def hardened(config, seed=1):
    """A ranker whose selectors are binary."""
    ranker = make_ranker(config, seed=seed)
    for facts in find_gates(ranker).values():
        if config.gate.kind.startswith("dselect"):
            harden(facts.gate, seed=3)
        elif config.gate.kind == "top_k":
            facts.gate.logits.bias.assign(np.random.default_rng(3).normal(size=[3, 4]))
    return ranker


@pytest.mark.parametrize("gate", ["dselect_k", "dselect_k, falling beta", "annealed", "top_k"])
@pytest.mark.parametrize("experts", [4, 5, 9])
def test_more_tasks_and_experts_leave_the_old_tasks_exactly_as_they_were(tmp_path, gate, experts):
    base = hardened(make_config(gate=GATES[gate]))
    config = make_config("new watch click like", gate=GATES[gate], model={"num_experts": experts})
    ranker, report = start(save(base, tmp_path), config)
    assert_same(predict(ranker, OLD, OLD), predict(base, OLD, OLD), ("click", "like", "watch"))
    assert report["axes"]["tasks"] == {"kept": 3, "new": 1, "gone": 0}
    assert report["axes"]["experts"] == {"kept": 4, "new": experts - 4, "gone": 0}


@pytest.mark.parametrize("unused", ["penalty", "random"])
def test_own_experts_keep_their_tasks_though_their_codes_change(tmp_path, unused):
    gate = {"kind": "dselect_k", "unused_codes": unused, **K2}
    base = hardened(make_config(gate=gate, model={"num_experts": 3, "own_experts": 2}))
    config = make_config("like click watch", gate=gate, model={"num_experts": 5, "own_experts": 3})
    ranker, _ = start(save(base, tmp_path), config)
    assert_same(predict(ranker, OLD, OLD), predict(base, OLD, OLD))


def test_a_random_code_is_written_as_that_of_its_expert(tmp_path):
    gate = {"kind": "dselect_k", "unused_codes": "random", **K2}
    base = make_ranker(make_config(gate=gate, model={"num_experts": 5}))
    base.gate.z.bias.assign(np.full([3, 2, 3], 1.0))  # 7, which stands for another
    config = make_config(gate=gate, model={"num_experts": 8})
    ranker, _ = start(save(base, tmp_path), config)
    assert_same(predict(ranker, OLD, OLD), predict(base, OLD, OLD))


def test_a_task_and_experts_that_are_gone_are_dropped(tmp_path):
    base = hardened(make_config(gate=GATES["dselect_k"]))
    weights = base.gate.static_weights().numpy()
    config = make_config("like click", gate=GATES["dselect_k"], model={"num_experts": 3})
    ranker, report = start(save(base, tmp_path), config)
    assert report["axes"]["tasks"] == {"kept": 2, "new": 0, "gone": 1}
    assert report["axes"]["experts"] == {"kept": 3, "new": 0, "gone": 1}
    found = dict(zip(ranker.tasks, ranker.gate.static_weights().numpy(), strict=True))
    for place, task in enumerate(("click", "like")):
        if not weights[place, 3]:
            np.testing.assert_allclose(found[task], weights[place, :3], atol=1e-6)


def test_what_is_binary_stays_so_and_a_new_task_still_chooses(tmp_path):
    gate = GATES["dselect_k, falling beta"]
    base = hardened(make_config(gate=gate))
    config = make_config("click like watch new", gate=gate)
    ranker, _ = start(save(base, tmp_path), config)
    assert ranker.gate.converged().numpy().tolist() == [True, True, True, False]
    before = ranker.gate.z.bias.numpy()
    train_a_little(ranker, 8)
    np.testing.assert_array_equal(ranker.gate.z.bias.numpy()[:3], before[:3])
    assert (ranker.gate.z.bias.numpy()[3] != before[3]).all()
    assert ranker.gate.converged().numpy().all(), "beta has fallen again"


def test_reopened_gates_lean_to_the_experts_that_they_had(tmp_path):
    gate = GATES["dselect_k, falling beta"]
    base = hardened(make_config(gate=gate))
    config = make_config(gate=gate, training={"base_gates": "reopen"})
    ranker, _ = start(save(base, tmp_path), config)
    assert not ranker.gate.converged().numpy().any()
    signs = np.sign(ranker.gate.z.bias.numpy())
    np.testing.assert_array_equal(signs, np.sign(base.gate.z.bias.numpy()))
    before = ranker.gate.z.bias.numpy()
    train_a_little(ranker, 1)
    assert (ranker.gate.z.bias.numpy() != before).all()
