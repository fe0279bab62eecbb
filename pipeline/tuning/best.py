"""The YAML with the best values in it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

from pipeline.config import RankerConfig
from trainer.config import Role
from trainer.tuning.paths import set_value
from trainer.tuning.result import Trial
from transforms.section import load_section

_SHARED = ("model", "training")


def merge_best(
    document: Mapping[str, Any], config: RankerConfig, best: Mapping[Role, Mapping[str, Any]]
) -> dict[str, Any]:
    """The YAML in which the candidate and the baseline have what was best for each.

    The baseline gets sections `model` and `training` of its own where its values are others
    than the candidate's. What was tuned is not tuned again by `gaterank run`.

    Args:
        document: what the YAML held.
        config: the same, read.
        best: role -> path -> value.

    Example:
        >>> from pathlib import Path
        >>> from pipeline.config import load_config
        >>> from pipeline.strict_yaml import read_document
        >>> path = Path("presets/demo.yaml")
        >>> values = {"training.l2": 0.01}
        >>> best = {"candidate": values, "baseline": {}}
        >>> merged = merge_best(read_document(path), load_config(path), best)
        >>> merged["training"]["l2"], "l2" in merged["baseline"]["training"]
        (0.01, False)
    """
    merged: dict[str, Any] = deepcopy(dict(document))
    _set_kind(merged, config.gate.kind)
    baseline = merged.setdefault("baseline", {}) or {}
    merged["baseline"] = baseline
    _set_kind(baseline, config.baseline.gate.kind)
    for section in _SHARED:
        if _of(section, best["candidate"]) != _of(section, best["baseline"]):
            # Its own from here on: the candidate's below must not become the baseline's too.
            given = baseline.get(section)
            baseline[section] = deepcopy(merged.get(section) or {} if given is None else given)
    for path, value in best["candidate"].items():
        set_value(merged, path, value)
    for path, value in best["baseline"].items():
        section = path.split(".")[0]
        if section not in _SHARED or baseline.get(section) is not None:
            set_value(baseline, path, value)
    if merged.get("tuning"):
        merged["tuning"] = {**merged["tuning"], "in_pipeline": False}
    return merged


def _set_kind(document: dict[str, Any], kind: str) -> None:
    if not document.get("gate"):
        document["gate"] = {"kind": kind}


def _of(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in values.items() if path.startswith(f"{section}.")}


def write_best(
    document: Mapping[str, Any], config: RankerConfig, best: Mapping[Role, Trial]
) -> str:
    """The text of the YAML with the best values; comments of the given one are lost.

    Args:
        document: what the YAML held.
        config: the same, read.
        best: role -> its best trial.

    Raises:
        ConfigError: if the values break a rule together, which is checked for each role before.
    """
    merged = merge_best(document, config, {role: trial.values for role, trial in best.items()})
    load_section(RankerConfig, merged, "best.yaml")
    lines = [
        f"# {role}: {trial.objective:.5f} by trial {trial.number}" for role, trial in best.items()
    ]
    head = ["# Written by `gaterank tune`: the YAML it was given, with the best values found."]
    text: str = yaml.safe_dump(merged, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join([*head, *lines, text])
