"""The search: equal numbers of trials, what does not count, and going on after a kill.

Trials are played by a function: the processes have a test of their own that takes longer.
"""

import json
from pathlib import Path

import pytest

from tests.trainer.conftest import tiny_config
from trainer.config import ROLES
from trainer.tuning import tuner as tuner_module
from trainer.tuning.job import Study, TrialJob
from trainer.tuning.objective import LabelFacts
from trainer.tuning.result import RESULT_FILE, TrialResult, find_best, write_json
from trainer.tuning.tuner import RankerTuner
from transforms.errors import ClusterError, GaterankError, InputError

SPACE = {
    "training.learning_rate": {"min": 0.001, "max": 0.1, "scale": "log"},
    "gate.experts_per_task": {"values": [1, 2]},
}
# A Gaussian process takes half a minute to think eight times.
SEARCHES = ["random", pytest.param("bayesian", marks=pytest.mark.long)]
FACTS = LabelFacts(count=10, mean=0.5, variance=0.25)


class Killed(BaseException):
    """Stands for kill -9: nothing after it is done."""


def play(job: TrialJob) -> TrialResult:
    """A trial that is the better, the nearer its rate is to 0.02."""
    far = abs(job.config.training.learning_rate - 0.02)
    return TrialResult(state="completed", objective=1.0 - far, epochs=1, best_epoch=1)


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Makes a tuner whose trials are played; `ran` lists the folders of those that ran."""
    labels = dict.fromkeys(tiny_config().tasks, FACTS)
    monkeypatch.setattr(tuner_module, "measure_labels", lambda *_: labels)

    def start(actor=play, role="candidate", folder=None, **tuning) -> RankerTuner:
        section = {"trials": 6, "workers": 1, "space": SPACE} | tuning
        config = tiny_config(tuning=section)
        study = Study(
            role=role, config=config.trainer_config(role), tuning=config.tuning,
            transform_dir="", train_files=(), eval_files=(), folder=str(folder or tmp_path / role),
        )  # fmt: skip
        tuner = RankerTuner(study)
        tuner.ran = []

        def run(job: TrialJob) -> TrialResult:
            tuner.ran.append(Path(job.folder).name)
            result = actor(job)
            write_json(Path(job.folder) / RESULT_FILE, result)
            return result

        monkeypatch.setattr(tuner._processes, "run", run)
        return tuner

    return start


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("workers", [1, 3])
def test_both_roles_get_the_same_number_of_different_trials(make, search, workers):
    for role in ROLES:
        tuner = make(role=role, search=search, workers=workers, trials=8)
        tuner.search()
        trials = tuner.trials()
        assert [trial.number for trial in trials] == list(range(8))
        assert len({json.dumps(trial.values) for trial in trials}) == 8
        for trial in trials:
            assert 0.001 <= trial.values["training.learning_rate"] <= 0.1
            assert trial.values["gate.experts_per_task"] in (1, 2)


def test_the_first_trial_is_the_yaml_itself(make):
    tuner = make()
    tuner.search()
    first = tuner.trials()[0]
    assert first.values == {"training.learning_rate": 0.02, "gate.experts_per_task": 2}
    assert find_best(tuner.trials()).number == 0


def test_every_combination_is_tried_before_the_search_gives_up(make):
    units = [[8], [16], [32], [8, 8], [16, 8]]
    space = {"model.expert_units": {"values": units}, "gate.experts_per_task": {"values": [1, 2]}}
    tuner = make(space=space, trials=10)
    tuner.search()
    tried = {json.dumps(trial.values, sort_keys=True) for trial in tuner.trials()}
    assert len(tried) == 10


def test_what_breaks_a_rule_is_not_drawn(make):
    space = {"model.num_experts": {"values": [1, 4]}, "gate.experts_per_task": {"values": [1, 4]}}
    tuner = make(space=space, trials=3)
    tuner.search()
    pairs = {tuple(trial.values.values()) for trial in tuner.trials()}
    assert pairs == {(1, 1), (4, 1), (4, 4)}


def test_the_same_seed_draws_the_same_trials_however_many_at_a_time(make, tmp_path):
    drawn = []
    for workers in (1, 3):
        tuner = make(workers=workers, folder=tmp_path / str(workers))
        tuner.search()
        drawn.append([trial.values for trial in tuner.trials()])
    assert drawn[0] == drawn[1]


def test_a_discarded_trial_is_recorded_and_never_the_best(make):
    def discard_the_best(job):
        is_best = job.config.training.learning_rate == 0.02
        return play(job).model_copy(update={"state": "discarded"} if is_best else {})

    tuner = make(discard_the_best)
    tuner.search()
    assert tuner.trials()[0].result.state == "discarded"
    assert find_best(tuner.trials()).number != 0
    best = tuner.get_best_hyperparameters()[0].values
    assert best == find_best(tuner.trials()).values, "TFX takes the same"


def test_a_search_without_a_trial_that_counts_is_an_error(make):
    with pytest.raises(GaterankError, match="no trial of the candidate counts: all are discarded"):
        make(lambda job: play(job).model_copy(update={"state": "discarded"})).search()


def kill_at(number: int, after: bool):
    """An actor that is killed in a trial, before or after its result is written."""
    count = iter(range(100))

    def act(job):
        result = play(job)
        if next(count) == number:
            if after:
                write_json(Path(job.folder) / RESULT_FILE, result)
            raise Killed
        return result

    return act


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("number", [0, 2, 5])
@pytest.mark.parametrize("after", [False, True])
def test_a_killed_search_goes_on_and_runs_nothing_twice(make, tmp_path, number, after, search):
    whole = make(folder=tmp_path / "whole", search=search)
    whole.search()
    killed = make(kill_at(number, after), search=search)
    with pytest.raises(Killed):
        killed.search()
    rest = make(search=search)
    rest.search()
    again = [] if after else [killed.ran[-1]]
    assert sorted(killed.ran + rest.ran) == sorted([f"trial_{i}" for i in range(6)] + again)
    assert len(rest.trials()) == 6
    if search == "random":
        assert [t.values for t in rest.trials()] == [t.values for t in whole.trials()]


def test_a_kill_between_the_files_of_keras_tuner_loses_nothing(make):
    """A trial that has ended while the oracle's file still calls it ongoing, and one that has
    begun while the file does not know it."""
    killed = make(kill_at(3, after=False))
    stale = []
    save = killed.oracle.save
    killed.oracle.save = lambda: stale.append(Path(killed._get_tuner_fname()).read_text()) or save()
    save()
    with pytest.raises(Killed):
        killed.search()
    Path(killed._get_tuner_fname()).write_text(stale[-2])
    rest = make()
    rest.search()
    assert rest.ran == ["trial_3", "trial_4", "trial_5"]
    assert len({json.dumps(trial.values) for trial in rest.trials()}) == 6


def test_more_trials_are_added_to_those_that_are_there(make):
    first = make()
    first.search()
    more = make(trials=9)
    more.search()
    assert more.ran == ["trial_6", "trial_7", "trial_8"]
    assert [t.values for t in more.trials()[:6]] == [t.values for t in first.trials()]


def test_processes_that_fail_end_the_search_and_get_another_chance(make):
    with pytest.raises(ClusterError, match=r"3 trials in a row failed.*out of memory") as raised:
        make(lambda _: TrialResult(state="failed", message="out of memory")).search()
    assert raised.value.exit_code == 6
    rest = make()
    rest.search()
    assert sorted(rest.ran) == [f"trial_{i}" for i in range(6)]
    assert {trial.result.state for trial in rest.trials()} == {"completed"}


def test_another_seed_does_not_go_on_with_these_trials(make):
    make().search()
    with pytest.raises(InputError, match=r"go on only with the same.*Changed: tuning$"):
        make(seed=7)


def test_whole_numbers_stay_inside_their_range(make):
    space = {"model.num_experts": {"min": 2, "max": 9, "scale": "log"}}
    tuner = make(space=space, trials=8, search="bayesian")
    tuner.search()
    assert sorted(t.values["model.num_experts"] for t in tuner.trials()) == list(range(2, 10))


def test_importing_keras_tuner_leaves_keras_2(make):
    import tensorflow as tf

    assert tf.keras.Model.__module__.startswith("tf_keras")
