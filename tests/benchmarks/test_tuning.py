"""What tuning tells of the options that it tried."""

from benchmarks.harness.trials import Trials
from benchmarks.harness.tuning import Search, compare_gates, options_tried

SEARCH = Search.model_validate(
    {
        "learning_rates": [0.1, 0.2],
        "trials_per_rate": 4,
        "repetitions": 2,
        "runs_at_once": 4,
        "gates": {
            "top_k": {"gate": {"kind": "top_k"}, "grid": {"experts_per_task": [1, 2]}},
            "softmax": {"gate": {"kind": "softmax"}},
        },
    }
)


def train(trials):
    """The rate 0.2 is best with one expert, 0.1 with more; the seed 1 never is any good."""
    for trial in trials:
        best = 0.2 if trial["gate"].get("experts_per_task") == 1 else 0.1
        loss = trial["seed"] + (trial["learning_rate"] != best)
        end = None if trial["seed"] == 1 else {"validation_loss": loss}
        yield {"any": end, "converged": None}


def test_each_option_is_told_at_its_best_learning_rate_without_what_was_discarded(tmp_path):
    trials = Trials(tmp_path / "trials.jsonl")
    compare_gates({}, SEARCH, trials, train)
    found = options_tried({}, "top_k", SEARCH, trials)
    assert [option["chosen"]["gate"]["experts_per_task"] for option in found] == [1, 2]
    assert [option["chosen"]["learning_rate"] for option in found] == [0.2, 0.1]
    assert [option["results"] for option in found] == [[{"validation_loss": 0}]] * 2


def test_an_option_is_told_by_the_trials_of_tuning_only(tmp_path):
    trials = Trials(tmp_path / "trials.jsonl")
    compare_gates({}, SEARCH, trials, train)
    (option,) = options_tried({}, "softmax", SEARCH, trials)
    assert [result["validation_loss"] for result in option["results"]] == [0, 2, 3]
