"""The YAML: what is refused, and how it is said."""

import copy
import re
import time
from pathlib import Path

import pytest
import yaml

from pipeline.config import load_config
from pipeline.strict_yaml import read_yaml
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
CLICK = GOOD["tasks"]["click"]
LOG = {"event": "time", "aggregation": "sum", "transform": "log1p", "default": -5}
NUMBER = {"of": "item", "kind": "numeric"}
NAMED = {"of": "user", "kind": "categorical", "column": "other"}


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
        ([("gate", {"kind": "shared_bottom", "units": []})], "gate.units"),
        ([("gate", {"kind": "shared_bottom", "units": [0]})], "gate.units.0"),
        ([("gate", {"kind": "top_k", "units": [8]})], "gate.units"),
        ([("featurez", {})], "featurez"),
        ([("features.click", {"of": "user", "kind": "numeric"})], "known before the impression"),
        ([("features.t", {"of": "item", "kind": "numeric", "column": "timestamp"})], "timestamp"),
        ([("tasks.click.label.window", "1 fortnight")], "tasks.click.label.window"),
        ([("tasks.click.label.aggregation", "count")], "must be 0 or 1"),
        ([("tasks.click.label.window", -5)], "such as 30m. Received: -5"),
        ([("tasks.click.label.window", "40000d")], "at most 36500d. Received: '40000d'"),
        ([("tasks.click.label.window", f"{'9' * 400}d")], "at most 36500d"),
        ([("tasks.click.label.default", 0.5)], "must be 0 or 1. Received: default=0.5"),
        ([("tasks.click.weight", -1)], "tasks.click.weight"),
        ([("tasks.time", {**CLICK, "kind": "regression", "label": LOG})], "Received: default=-5"),
        ([("tasks.score", CLICK)], "tasks.score: the name is taken by the combined score"),
        ([("tasks.engagement", CLICK)], "tasks.engagement: a group has this name"),
        ([("tasks.mean", CLICK)], "tasks.mean: the name stands for several tasks"),
        ([("features.user_id", NAMED)], "taken in an example by a key"),
        ([("features.timestamp", NAMED)], "taken in an example by a key"),
        ([("features.weight_click", NAMED)], "taken in an example by a label or a weight"),
        ([("features.item_id", NUMBER)], "an id must be categorical"),
        ([("score", "clicks")], "Received: 'clicks'"),
        ([("evaluation.slices", ["country"])], "Received: 'country'"),
        ([("evaluation.thresholds", [{"task": "like", "metric": "auc", "lower": 0.5}])], "'like'"),
        ([("evaluation.thresholds", [{"task": "click", "metric": "auc"}])], "needs `min_gain`"),
        ([("training.learning_rate", float("nan"))], "training.learning_rate"),
        ([("name", "../escape")], "name"),
        ([("logs.split.eval_fraction", 1.5)], "logs.split.eval_fraction"),
        ([("logs.split.eval_last", "1d")], "`eval_last` needs `by: time`. Received: by=user"),
        ([("score", "click + 1 / 0")], "must be finite. Received: '1 / 0'"),
    ],
)
def test_a_broken_rule_is_told_with_its_place_and_value(tmp_path, changes, message):
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path, changed(*changes)))
    assert message in str(error.value)
    assert "rule" in str(error.value)


def test_a_shared_bottom_has_widths_of_its_own_or_those_of_an_expert(tmp_path):
    model = {"num_experts": 4, "expert_units": [16]}
    document = changed(
        ("model", model),
        ("gate", {"kind": "shared_bottom", "units": [64, 8]}),
        ("baseline.gate", {"kind": "shared_bottom"}),
    )
    config = load_config(write(tmp_path, document))
    wide, narrow = (config.trainer_config(role) for role in ("candidate", "baseline"))
    assert (wide.num_experts, wide.expert_units) == (1, (64, 8))
    assert (narrow.num_experts, narrow.expert_units) == (1, (16,))
    mixture = load_config(write(tmp_path, changed(("model", model))))
    assert (mixture.num_experts, mixture.expert_units) == (4, (16,))


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
    ("text", "message"),
    [
        ("a: [", "must be YAML"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("- 1", "valid dictionary"),
        ("", "valid dictionary"),
        ("a" * 1_000_001, "at most 1000000 bytes"),
        ("#" + "é" * 600_000, "at most 1000000 bytes"),
        ("name: a\nscore: click\nname: b\n", "`name` must be given once"),
        ("tasks: {click: {weight: 1, weight: 2}}", "`weight` must be given once"),
        ("[" * 5000, "nested too deep"),
        ("a: &a {b: *a}", "at most 200000 values, its aliases followed"),
        ("first: 2026-13-45", "does not fit its type: month must be in 1..12"),
        ("first: !!int x", "does not fit its type"),
        ("first: !!bool x", "does not fit its type"),
        ("first: !!timestamp x", "does not fit its type"),
        (f"first: {'9' * 5000}", "does not fit its type"),
        (f"first: 0x{'f' * 5000}", "Received: int of too many digits"),
        ("--- 1\n--- 2\n", "but found another document"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_configuration_is_refused(tmp_path, text, message):
    path = tmp_path / "ranker.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(path)


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    started = time.monotonic()
    with pytest.raises(ConfigError, match="its aliases followed"):
        load_config(path)
    assert time.monotonic() - started < 5


def test_an_alias_may_be_used_again_and_merged():
    common = "common: &common {kind: classification, group: engagement}"
    tasks = read_yaml(f"{common}\nclick: {{<<: *common, weight: 2}}\nlike: *common\n")
    assert tasks["click"] == {"kind": "classification", "group": "engagement", "weight": 2}
    assert tasks["like"] == tasks["common"]
