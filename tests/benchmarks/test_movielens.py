"""The ranker of the experiments `movielens` and `convergence`, on a few made ratings."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.experiments.convergence import Case, count_step, spend
from benchmarks.experiments.convergence import Setup as ConvergenceSetup
from benchmarks.experiments.movielens import EXPERIMENT, measure, train
from benchmarks.experiments.movielens_data import Split, read_ratings
from benchmarks.experiments.movielens_model import Setup, TwoTasks

TOP_K = {"kind": "top_k", "experts_per_task": 2}
DSELECT_K = {"kind": "dselect_k", "experts_per_task": 2, "beta_steps": 4}


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    """40 users of whom each rated 10 of 60 movies."""
    folder = tmp_path_factory.mktemp("movielens")
    rows = (f"{u}\t{(7 * u + i) % 60}\t{1 + (u + i) % 5}\n" for u in range(40) for i in range(10))
    (folder / "ml.inter").write_text("user_id\titem_id\trating\n" + "".join(rows))
    sizes = {"units": 8, "embedding_dim": 4, "batch_size": 64, "epochs": 2}
    return Setup(data=folder, num_experts=4, dropout=0.0, **sizes)


def trial(gate, seed=1):
    return {"gate": gate, "eta": 0.5, "learning_rate": 0.3, "seed": seed}


@pytest.fixture(scope="module")
def top_k(setup):
    return TwoTasks(TOP_K, setup, read_ratings(setup.data))


PAIRS = Split(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([5.0, 0.0, 3.0], np.float32))


def test_a_restart_forgets_the_training_before_it(top_k):
    tensors = [tf.constant(column) for column in PAIRS]
    found = []
    for _ in range(2):
        top_k.restart(seed=3, learning_rate=0.3, watch_share=0.5)
        before = measure(top_k, Split(*tensors), 0.5)
        top_k.step(*tensors)
        found.append((before, measure(top_k, Split(*tensors), 0.5)))
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


def test_a_movie_without_rating_has_no_part_in_the_loss_of_the_rating(top_k):
    top_k.restart(seed=3, learning_rate=0.3, watch_share=0.5)
    one = [tf.constant(column[:1]) for column in PAIRS]
    two = [tf.constant(column[:2]) for column in PAIRS]
    assert measure(top_k, Split(*one), 0.0)[0] == measure(top_k, Split(*two), 0.0)[0]
    assert measure(top_k, Split(*one), 1.0)[0] != measure(top_k, Split(*two), 1.0)[0]


def test_the_first_prediction_is_near_the_mean_rating_and_an_even_chance(top_k):
    top_k.restart(seed=3, learning_rate=0.3, watch_share=0.5)
    _, found = measure(top_k, Split(*map(tf.constant, PAIRS)), 0.5)
    assert found["watch"] == pytest.approx(np.log(2), abs=0.05)
    assert found["rating"] == pytest.approx((2.0**2 + 0.0) / 2, abs=0.2)


def test_what_a_training_reports(setup):
    results = list(train([trial(TOP_K), trial(DSELECT_K)], setup))
    assert [result["converged"] is None for result in results] == [True, False]
    assert results[0]["open_share"] == 1.0
    # 640 pairs to train on, so 10 steps an epoch of 2.
    assert results[1]["open_share"] == pytest.approx(4 / 20, abs=0.11)
    for result in results:
        best = result["any"]
        assert best["experts_used"] <= 2.0
        assert best["test_loss"] == pytest.approx(0.5 * (best["watch"] + best["rating"]))
        assert best["union"] <= result["mean_union"] + 3


def test_a_per_example_gate_counts_the_experts_of_each_example(setup):
    gate = {**TOP_K, "per_example": True}
    model = TwoTasks(gate, setup, read_ratings(setup.data))
    _, found = measure(model, Split(*map(tf.constant, PAIRS)), 0.5)
    assert found["experts_used"] == 2.0
    assert 2 <= found["union"] <= 4


def test_a_step_over_fewer_experts_costs_their_share_less(setup):
    setup = ConvergenceSetup(
        **setup.model_dump(),
        synthetic={"train": 64, "validation": 8, "test": 8, "batch_size": 8, "epochs": 1},
    )
    for case in (Case(eta=0.5, gates={}), Case(tasks=16, gates={})):
        costs = [count_step(case, TOP_K, setup, u) for u in (1, 2, 3)]
        assert costs[0] < costs[1] < costs[2]
        assert costs[2] - costs[1] == pytest.approx(costs[1] - costs[0], rel=0.01)


def test_conditional_training_saves_from_the_step_on_at_which_gates_are_binary():
    best = {"test_loss": 0.1, "union": 2}
    result = {"open_share": 0.25, "converged": best, "any": best, "mean_union": 2.0}
    costs = [10, 20, 30]
    assert spend(result, 100, costs, False)["conditional"] == 25 * 30 + 75 * 20
    assert spend(result, 100, costs, False)["all_experts"] == 3000
    assert spend(result | {"converged": None}, 100, costs, False)["conditional"] == 3000
    assert spend(result | {"mean_union": 1.5}, 100, costs, True)["conditional"] == 1500


def test_all_sizes_are_there():
    assert set(EXPERIMENT.sizes) == {"paper", "table", "quick"}
