"""What a tuning leaves: the YAML with the best values, and the tables."""

import csv
import json

import pytest
import yaml

from pipeline.config import RankerConfig, load_config
from pipeline.strict_yaml import read_yaml
from pipeline.tuning.best import merge_best, write_best
from pipeline.tuning.picture import draw
from pipeline.tuning.tables import make_csv, make_document
from tests.pipeline.tiny import tiny_document
from trainer.config import ROLES
from trainer.tuning.paths import apply_values
from trainer.tuning.result import Trial, TrialResult

SPACE = {
    "training.learning_rate": {"min": 0.001, "max": 0.1, "scale": "log"},
    "model.expert_units": {"values": [[16], [8, 8]]},
    "gate.experts_per_task": {"values": [1, 2]},
}
OWN = {"training.l2": {"min": 0.0, "max": 0.1}, "gate.serving_budget": {"values": [None, 2]}}
TUNING = {"trials": 2, "space": SPACE, "candidate": OWN, "in_pipeline": True}
CANDIDATE = {
    "training.learning_rate": 0.003,
    "model.expert_units": [8, 8],
    "gate.experts_per_task": 1,
    "training.l2": 0.05,
    "gate.serving_budget": 2,
}
SHARED = {path: CANDIDATE[path] for path in SPACE}
OTHER = {
    "training.learning_rate": 0.07,
    "model.expert_units": [16],
    "gate.experts_per_task": 2,
}
GIVEN = {"gate": {"kind": "top_k"}, "training": {"learning_rate": 0.5, "batch_size": 64}}


def bare(document: dict) -> dict:
    """Without sections that have defaults."""
    return {k: v for k, v in document.items() if k not in ("gate", "baseline", "model", "training")}


@pytest.mark.parametrize("baseline", [OTHER, SHARED])
@pytest.mark.parametrize(
    "document",
    [
        tiny_document(tuning=TUNING),
        tiny_document(tuning=TUNING, baseline=GIVEN),
        tiny_document(tuning=TUNING, baseline={}),
        bare(tiny_document(tuning=TUNING)),
    ],
    ids=["preset", "own training", "empty baseline", "defaults"],
)
def test_each_role_gets_what_was_best_for_it_and_nothing_else(document, baseline):
    config = RankerConfig.model_validate(document)
    best = {"candidate": CANDIDATE, "baseline": baseline}
    merged = RankerConfig.model_validate(merge_best(document, config, best))
    for role in ROLES:
        expected = apply_values(config.trainer_config(role), best[role])
        assert merged.trainer_config(role) == expected
    assert merged.tuning.in_pipeline is False
    assert merged.data_config() == config.data_config()
    assert merged.evaluation == config.evaluation


def make_trials() -> dict:
    def make(number, values, state="completed", objective=0.7):
        result = TrialResult(
            state=state, objective=objective, qualities={"click": 0.8}, epochs=2, best_epoch=1
        )
        return Trial(number=number, values=values, result=result)

    return {
        "candidate": [make(0, CANDIDATE), make(1, CANDIDATE, "discarded", 0.9)],
        "baseline": [make(0, OTHER), make(1, SHARED, "failed", None)],
    }


@pytest.fixture
def config() -> RankerConfig:
    return RankerConfig.model_validate(tiny_document(tuning=TUNING))


def test_best_yaml_is_a_configuration_and_says_where_it_is_from(tmp_path, config):
    best = {role: trials[0] for role, trials in make_trials().items()}
    path = tmp_path / "best.yaml"
    path.write_text(write_best(tiny_document(tuning=TUNING), config, best))
    assert "# candidate: 0.70000 by trial 0" in path.read_text()
    loaded = load_config(path)
    assert loaded.gate.serving_budget == 2
    assert loaded.baseline.training.learning_rate == 0.07
    assert yaml.safe_load(path.read_text()) == read_yaml(path.read_text())


def test_the_tables_hold_every_trial(config):
    trials = make_trials()
    rows = list(csv.DictReader(make_csv(trials).splitlines()))
    assert [(row["role"], row["trial"], row["state"]) for row in rows] == [
        ("candidate", "0", "completed"),
        ("candidate", "1", "discarded"),
        ("baseline", "0", "completed"),
        ("baseline", "1", "failed"),
    ]
    assert rows[0]["gate.serving_budget"] == "2"
    assert rows[2]["gate.serving_budget"] == ""
    assert rows[0]["model.expert_units"] == "[8, 8]"
    assert rows[0]["quality_click"] == "0.8"
    document = json.loads(json.dumps(make_document(config, trials)))
    assert document["best"] == {"candidate": 0, "baseline": 0}
    assert len(document["trials"]["baseline"]) == 2


def test_the_picture_has_a_panel_an_option(tmp_path, config):
    draw(make_trials(), config.tuning, tmp_path / "trials.png")
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_how_it_was_tuned_changes_no_other_result(config):
    assert config.without_engine().tuning is None


def test_the_baseline_may_have_a_network_of_its_own():
    document = tiny_document(baseline={"gate": {"kind": "top_k"}, "model": {"num_experts": 2}})
    config = RankerConfig.model_validate(document)
    assert config.trainer_config("baseline").model.num_experts == 2
    assert config.trainer_config("candidate").model.num_experts == 4
    document["baseline"]["gate"]["experts_per_task"] = 3
    with pytest.raises(ValueError, match="num_experts=2"):
        RankerConfig.model_validate(document)
