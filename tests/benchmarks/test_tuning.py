"""Every gate gets as many trials, and what did not converge does not count."""

import pytest
from pydantic import ValidationError

from benchmarks.harness.trials import Trials
from benchmarks.harness.tuning import Search, compare_gates


def make_search(**changes):
    """Two gates, the first with two combinations."""
    gates = {
        "dselect_k": {
            "gate": {"kind": "dselect_k"},
            "grid": {"entropy_weight": [0.1, 1.0]},
            "must_converge": True,
        },
        "softmax": {"gate": {"kind": "softmax"}},
    }
    values = {
        "learning_rates": [0.1, 0.2],
        "trials_per_rate": 4,
        "repetitions": 3,
        "runs_at_once": 2,
        "gates": gates,
    }
    return Search.model_validate(values | changes)


def train(batch):
    """A loss that falls with the entropy weight; only a weight of 0.1 ever converges."""
    for trial in batch:
        weight = trial["gate"].get("entropy_weight", 0.0)
        end = {"validation_loss": 2.0 - weight + trial["learning_rate"] + trial["seed"] / 1e6}
        yield {"any": end, "converged": end if weight == 0.1 else None}


def test_every_gate_is_tuned_with_the_same_number_of_trials(tmp_path):
    trials = Trials(tmp_path / "trials.jsonl")
    search = make_search()
    compare_gates({}, search, trials, train)
    tuning = [done["trial"] for done in trials.all() if done["trial"]["seed"] < 1000]
    kinds = [trial["gate"]["kind"] for trial in tuning]
    assert kinds.count("dselect_k") == kinds.count("softmax") == 8
    assert len(trials.all()) == search.count()


def test_what_did_not_converge_is_discarded(tmp_path):
    found = compare_gates({}, make_search(), Trials(tmp_path / "trials.jsonl"), train)
    assert found["dselect_k"]["chosen"]["gate"]["entropy_weight"] == 0.1
    assert found["dselect_k"]["discarded"] == 0.5
    assert found["softmax"]["discarded"] == 0.0


def test_the_best_is_repeated_with_fresh_seeds(tmp_path):
    found = compare_gates({"tasks": 16}, make_search(), Trials(tmp_path / "trials.jsonl"), train)
    assert found["softmax"]["chosen"] == {
        "tasks": 16,
        "gate": {"kind": "softmax"},
        "learning_rate": 0.1,
    }
    losses = [result["validation_loss"] for result in found["softmax"]["results"]]
    assert losses == pytest.approx([2.101, 2.101001, 2.101002])


def test_a_gate_that_never_converges_has_no_results(tmp_path):
    search = make_search()
    never = search.model_copy(update={"gates": {"dselect_k": search.gates["dselect_k"]}})

    def open_(batch):
        return [{"any": {"validation_loss": 1.0}, "converged": None} for _ in batch]

    found = compare_gates({}, never, Trials(tmp_path / "trials.jsonl"), open_)
    assert found["dselect_k"] == {"chosen": None, "discarded": 1.0, "results": []}


def test_a_candidate_that_seldom_converges_does_not_count(tmp_path):
    gate = make_search().gates["dselect_k"]

    def once_lucky(batch):
        for trial in batch:
            slow = trial["gate"]["entropy_weight"] == 0.1
            end = {"validation_loss": 1.0 if slow else 2.0}
            lucky = not slow or (trial["seed"] == 0 and trial["learning_rate"] == 0.1)
            yield {"any": end, "converged": end if lucky else None}

    search = make_search(trials_per_rate=6, gates={"dselect_k": gate})
    found = compare_gates({}, search, Trials(tmp_path / "trials.jsonl"), once_lucky)
    assert found["dselect_k"]["chosen"]["gate"]["entropy_weight"] == 1.0


def test_unequal_numbers_of_trials_are_refused():
    with pytest.raises(ValidationError, match="multiple of a gate's combinations"):
        make_search(trials_per_rate=3)


def test_an_option_that_a_gate_does_not_have_is_refused():
    with pytest.raises(ValidationError, match="beta"):
        make_search(gates={"softmax": {"gate": {"kind": "softmax"}, "grid": {"beta": [1.0]}}})
