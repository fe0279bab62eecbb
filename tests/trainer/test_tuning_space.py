"""The `tuning` section: what is refused before anything runs, and what a space is."""

import pytest

from tests.trainer.conftest import tiny_config
from trainer.config import ROLES
from trainer.tuning.job import Study
from trainer.tuning.options import Tuning
from trainer.tuning.paths import apply_values, decode, encode, with_hyperparameters
from trainer.tuning.space import make_space, own_values, task_weights
from transforms.errors import ConfigError, InputError
from transforms.section import load_section

RATE = {"min": "1e-3", "max": 0.1, "scale": "log"}  # YAML 1.1 takes 1e-3 for text
GATES = {"gate": {"kind": "dselect_k"}, "baseline": {"gate": {"kind": "top_k"}}}


def load(**tuning):
    return tiny_config(tuning=tuning | {"trials": tuning.get("trials", 2)})


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({"space": {"features.age": RATE}}, "tuning.space.features.age: a path must begin with"),
        ({"space": {"training": RATE}}, "tuning.space.training: a path must begin with `gate.`"),
        ({"space": {"training.rate": RATE}}, "`training` has no option `rate`; it has optimizer"),
        (
            {"space": {"gate.entropy_weight": RATE}},
            r"tuning.space.gate.entropy_weight: `gate` has no option `entropy_weight` \(top_k\)",
        ),
        ({"candidate": {"gate.balance.weight": RATE}}, "`gate.balance` is null; give it"),
        ({"space": {"gate.kind": {"values": ["softmax"]}}}, "cannot be tuned: what is compared"),
        ({"space": {"training.seed": {"min": 1, "max": 9}}}, "the luckiest seed is no better"),
        ({"space": {"training.max_epochs": {"min": 1, "max": 9}}}, "has the same budget"),
        ({"space": {"training.strategy.workers": RATE}}, "cannot be tuned: it changes no result"),
        ({"space": {"training.l2": {"min": 0, "max": 1, "scale": "log"}}}, "above 0 for `scale: l"),
        ({"space": {"training.l2": {"min": 1, "max": 1}}}, "`min` must be below `max`"),
        ({"space": {"training.l2": {"min": 1}}}, "needs `values`, or `min` and `max`"),
        ({"space": {"training.l2": {"values": [1], "max": 2}}}, "`values` go without"),
        ({"space": {"training.l2": {"values": [1, 1]}}}, "`values` must differ"),
        ({"space": {"training.l2": {"min": -1, "max": 1}}}, "greater than or equal to 0"),
        ({"space": {"model.num_experts": {"min": 2.5, "max": 4}}}, "valid integer"),
        ({"space": {"model.wide": {"min": 0, "max": 1}}}, "is no number; give `values`"),
        ({"space": {"training.optimizer": {"values": ["adam", "lion"]}}}, "Received: 'lion'"),
        ({"space": {"gate.experts_per_task": {"values": [1, 9]}}}, "at most `num_experts`"),
        ({"space": {"training.l2": RATE}, "candidate": {"training.l2": RATE}}, "in both"),
        ({"space": {"training.l2": RATE}, "weights": {"buy": 1}}, "tuning.weights: must name t"),
        ({"space": {"training.l2": RATE}, "weights": {"click": 0}}, "one at least must be above"),
    ],
)
def test_a_section_that_does_not_fit_is_refused_with_its_place(tuning, message):
    with pytest.raises(ValueError, match=message):
        load(**tuning)


def test_both_get_as_many_trials_so_both_need_as_many_combinations():
    few = {"gate.entropy_weight": RATE}
    with pytest.raises(ValueError, match=r"combinations of the baseline.* Received: trials=3"):
        load(trials=3, space={"gate.experts_per_task": {"values": [1, 2]}}, candidate=few)


def test_combinations_that_break_a_rule_do_not_count():
    space = {
        "model.num_experts": {"values": [2, 4]},
        "gate.experts_per_task": {"values": [1, 4]},
    }
    assert load(trials=3, space=space).tuning.trials == 3
    with pytest.raises(ValueError, match="combinations=3"):
        load(trials=4, space=space)


def test_a_value_may_need_another_of_the_space():
    """One expert does not go with the YAML's two experts a task, but with one."""
    space = {
        "model.num_experts": {"values": [1, 4]},
        "gate.experts_per_task": {"values": [1, 2]},
    }
    config = load(trials=3, space=space)
    found = make_space(config.trainer_config("candidate"), config.tuning, "candidate")
    assert [one.values for one in found] == [(1, 4), (1, 2)]


def test_types_are_those_of_the_configuration():
    space = {
        "training.learning_rate": RATE,
        "model.num_experts": {"min": 2, "max": 8},
        "training.optimizer": {"values": ["adam", "sgd"]},
        "model.expert_units": {"values": [[16], [32, 8]]},
    }
    config = load(space=space)
    rate, experts, optimizer, units = make_space(
        config.trainer_config("candidate"), config.tuning, "candidate"
    )
    assert (rate.kind, rate.low, rate.high, rate.log, rate.own) == (
        "float", 0.001, 0.1, True, 0.02,
    )  # fmt: skip
    assert (experts.kind, experts.low, experts.high, experts.own) == ("int", 2, 8, 4)
    assert (optimizer.kind, optimizer.own) == ("choice", "adam")
    assert [units.encode(value) for value in units.values] == ["[16]", "[32, 8]"]
    own = own_values([rate, experts, optimizer, units])
    assert own == {path: encode(decode(value)) for path, value in own.items()}


def test_the_yaml_itself_is_no_trial_if_it_is_outside_the_space():
    config = load(space={"training.learning_rate": {"min": 0.1, "max": 0.5}})
    space = make_space(config.trainer_config("baseline"), config.tuning, "baseline")
    assert own_values(space) is None


@pytest.mark.parametrize("value", [1, 0.5, "adam", "7", "null", [16, 8], None, True, 0])
def test_a_value_survives_keras_tuner(value):
    assert decode(encode(value)) == value
    assert type(decode(encode(value))) is type(value)


def test_what_a_tuner_found_goes_before_the_yaml():
    config = tiny_config().trainer_config("candidate")
    found = {"space": [], "values": {"model.expert_units": "[32, 8]", "gate.entropy_weight": 0.5}}
    tuned = with_hyperparameters(config, found)
    assert tuned.model.expert_units == (32, 8)
    assert tuned.gate.entropy_weight == 0.5
    assert tuned.training == config.training
    assert with_hyperparameters(config, None) is config


def test_values_are_checked_as_if_the_yaml_had_them():
    config = tiny_config().trainer_config("candidate")
    with pytest.raises(ValueError, match="at most `num_experts`"):
        apply_values(config, {"gate.experts_per_task": 4, "model.num_experts": 2})


def test_weights_are_the_tasks_own_or_those_of_the_section():
    config = tiny_config().trainer_config("candidate")
    own = {name: task.weight for name, task in config.tasks.items()}
    assert task_weights(config, Tuning()) == own
    assert task_weights(config, Tuning(weights={"like": 2.0})) == {
        "click": 0.0, "like": 2.0, "watch": 0.0,
    }  # fmt: skip


def make_study(folder, role="candidate", **tuning) -> Study:
    config = tiny_config(tuning={"trials": 2, "space": {"training.l2": {"min": 0, "max": 1}}})
    return Study(
        role=role,
        config=config.trainer_config(role),
        tuning=config.tuning.model_copy(update=tuning),
        transform_dir="nowhere",
        train_files=(),
        eval_files=(),
        folder=str(folder),
    )


def test_the_budget_is_the_same_for_both(tmp_path):
    trained = [make_study(tmp_path, role, max_epochs=7).trial_config() for role in ROLES]
    assert [config.training.max_epochs for config in trained] == [7, 7]
    assert trained[0].training == trained[1].training


def test_trials_of_another_configuration_are_not_gone_on_with(tmp_path):
    from trainer.tuning.result import write_json

    write_json(tmp_path / "study.json", make_study(tmp_path).identity())
    make_study(tmp_path, trials=50, workers=9).check_same(tmp_path / "study.json")
    for changed in ({"seed": 5}, {"max_epochs": 1}, {"search": "bayesian"}):
        with pytest.raises(InputError, match="Changed: t"):
            make_study(tmp_path, **changed).check_same(tmp_path / "study.json")


def test_unknown_words_are_refused():
    with pytest.raises(ConfigError, match="search: Input should be 'random' or 'bayesian'"):
        load_section(Tuning, {"search": "luck"}, "x.yaml")
