"""Trials on disk: a killed experiment goes on where it was."""

import pytest

from benchmarks.harness.trials import Trials

SEEDS = [{"seed": seed} for seed in range(3)]


def losses(batch):
    """A result a trial."""
    return [{"loss": float(trial["seed"])} for trial in batch]


def refuse(batch):
    """What must not be called."""
    pytest.fail(f"trained again: {batch}")


def test_results_come_in_the_order_of_the_trials(tmp_path):
    trials = Trials(tmp_path / "trials.jsonl")
    trials.run(SEEDS[1:2], losses)
    assert trials.run(SEEDS, losses) == [{"loss": 0.0}, {"loss": 1.0}, {"loss": 2.0}]


def test_a_trial_on_disk_is_not_trained_again(tmp_path):
    Trials(tmp_path / "trials.jsonl").run(SEEDS, losses)
    again = Trials(tmp_path / "trials.jsonl")
    assert again.run(SEEDS, refuse) == losses(SEEDS)


def test_a_line_that_a_kill_cut_is_trained_again(tmp_path):
    file = tmp_path / "trials.jsonl"
    Trials(file).run(SEEDS, losses)
    file.write_text(file.read_text()[:-5])
    trained = []

    def note(batch):
        trained.extend(batch)
        return losses(batch)

    assert Trials(file).run(SEEDS, note) == losses(SEEDS)
    assert trained == SEEDS[2:]
    assert Trials(file).run(SEEDS, refuse) == losses(SEEDS)


def test_a_trainer_that_loses_a_trial_is_an_error(tmp_path):
    trials = Trials(tmp_path / "trials.jsonl")
    with pytest.raises(ValueError, match="shorter"):
        trials.run(SEEDS, lambda batch: losses(batch)[:2])
