"""The experiment `family`: its options are rankers, and gains are paired by seed."""

import pytest

from benchmarks.experiments.family import EXPERIMENT, Option, make_config, merge
from benchmarks.experiments.family_report import gains, name_of

OPTIONS = [
    (case, name)
    for size in ("table", "quick")
    for case in EXPERIMENT.sizes[size].cases
    for name in case.options
]


@pytest.mark.parametrize(("case", "name"), OPTIONS, ids=lambda x: getattr(x, "name", x))
def test_each_option_is_a_ranker_that_differs_from_what_it_is_compared_with(case, name):
    option = case.options[name]
    rival = case.options.get(option.against, Option())
    assert option.against in {"default", *case.options}
    ours, theirs = (make_config(case, one).trainer_config(one.role) for one in (option, rival))
    data = [make_config(case, one).data_config() for one in (option, rival)]
    assert ours != theirs or data[0] != data[1]


def test_changes_are_merged_section_by_section():
    document = {"model": {"position": {"max_position": 9}, "wide": True}, "name": "a"}
    changes = {"model": {"position": None, "own_experts": 1}}
    merged = merge(document, changes)
    assert merged["model"] == {"position": None, "wide": True, "own_experts": 1}
    assert merged["name"] == "a"
    assert document["model"]["position"] == {"max_position": 9}


def test_gains_are_of_the_same_seed_and_positive_where_the_option_is_better():
    def results(*values):
        return [{"metrics": {"click": auc, "watch": rmse}} for auc, rmse in values]

    case = {
        "tasks": {"click": "classification", "watch": "regression"},
        "options": [
            {"option": "default", "against": "default", "results": results((0.5, 2.0), (0.6, 3.0))}
        ],
    }
    option = {"option": "new", "against": "default", "results": results((0.75, 1.5), (0.5, 3.5))}
    found = gains(case, option)
    assert found["click"] == found["mean AUC"] == pytest.approx([0.25, -0.1])
    assert found["watch"] == pytest.approx([0.5, -0.5])
    assert name_of(option | {"against": "other"}) == "new (against other)"
