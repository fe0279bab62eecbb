"""The YAML: what is refused, and how it is said."""

import copy
from pathlib import Path

import pytest
import yaml

from pipeline.config import load_config
from transforms.errors import ConfigError, InputError

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "name": "tiny",
    "features": {"age": {"of": "user", "kind": "numeric"}},
    "tasks": {
        "click": {"kind": "classification", "group": "engagement", "label": {"event": "click"}}
    },
    "score": "click",
}


def write(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "ranker.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def changed(*changes: tuple[str, object]) -> dict:
    document = copy.deepcopy(GOOD)
    for path, value in changes:
        *parents, last = path.split(".")
        target = document
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    return document


@pytest.mark.parametrize("preset", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_preset_is_valid_and_says_how_to_run_it(preset):
    load_config(preset)
    assert "gaterank run" in preset.read_text().split("\nname:")[0]


def test_what_is_printed_is_what_was_meant(tmp_path):
    config = load_config(write(tmp_path, GOOD))
    again = load_config(write(tmp_path, config.model_dump(mode="json")))
    assert again == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("gate", {"kind": "dselect_k", "experts_per_task": 9})],
            "experts_per_task=9, num_experts=8",
        ),
        ([("baseline.gate", {"kind": "top_k", "experts_per_task": 9})], "experts_per_task=9"),
        ([("gate", {"kind": "dselect_k", "beta": 0})], "gate.beta"),
        ([("gate", {"kind": "best"})], "gate"),
        ([("featurez", {})], "featurez"),
        ([("features.click", {"of": "user", "kind": "numeric"})], "known before the impression"),
        ([("features.t", {"of": "item", "kind": "numeric", "column": "timestamp"})], "timestamp"),
        ([("tasks.click.label.window", "1 fortnight")], "tasks.click.label.window"),
        ([("tasks.click.label.aggregation", "count")], "must be 0 or 1"),
        ([("tasks.click.weight", -1)], "tasks.click.weight"),
        ([("score", "clicks")], "Received: 'clicks'"),
        ([("evaluation.slices", ["country"])], "Received: 'country'"),
        ([("evaluation.thresholds", [{"task": "like", "metric": "auc", "lower": 0.5}])], "'like'"),
        ([("evaluation.thresholds", [{"task": "click", "metric": "auc"}])], "needs `min_gain`"),
        ([("training.learning_rate", float("nan"))], "training.learning_rate"),
        ([("name", "../escape")], "name"),
        ([("logs.split.eval_fraction", 1.5)], "logs.split.eval_fraction"),
    ],
)
def test_a_broken_rule_is_told_with_its_place_and_value(tmp_path, changes, message):
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path, changed(*changes)))
    assert message in str(error.value)
    assert "rule" in str(error.value)


def test_all_broken_rules_are_told_at_once(tmp_path):
    document = changed(("tasks.click.weight", -1), ("training.batch_size", 0))
    with pytest.raises(ConfigError, match="2 rules broken"):
        load_config(write(tmp_path, document))


def test_a_feature_that_the_official_files_know_only_afterwards_is_refused(tmp_path):
    document = changed(
        ("logs.adapter", "kuairand"),
        ("features.stay", {"of": "user", "kind": "numeric", "column": "profile_stay_time"}),
    )
    with pytest.raises(ConfigError, match="profile_stay_time"):
        load_config(write(tmp_path, document))


def test_a_column_that_the_user_says_is_known_after_is_refused(tmp_path):
    document = changed(
        ("logs.known_after", ["dwell"]),
        ("features.dwell", {"of": "item", "kind": "numeric"}),
    )
    with pytest.raises(ConfigError, match="dwell"):
        load_config(write(tmp_path, document))


def test_a_file_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "text", ["a: [", "!!python/object/apply:os.system ['true']", "- 1", "", "a" * 1_000_001]
)
def test_what_is_no_configuration_is_refused(tmp_path, text):
    path = tmp_path / "ranker.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_config(path)
