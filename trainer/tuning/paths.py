"""Options by their paths in the YAML: read, replaced and written as one word or number."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from trainer.config import TrainerConfig
from transforms.section import Section

SECTIONS = ("gate", "model", "training")
# What makes a trial longer, or another draw of the same, and what changes no result.
_FIXED = {
    "gate.kind": "what is compared is this gate",
    "training.seed": "the luckiest seed is no better option",
    "training.max_epochs": "every trial has the same budget; see `tuning.max_epochs`",
    "training.patience": "every trial has the same budget",
    "training.strategy": "it changes no result",
    "training.checkpoint": "it changes no result",
    "training.deterministic": "it changes no result but by rounding",
    "training.cache_mb": "it changes no result",
    "training.base": "trials begin from scratch",
}
ConfigT = TypeVar("ConfigT", bound=TrainerConfig)


def check_path(config: TrainerConfig, path: str) -> None:
    """Refuses what is no option of this configuration, or none to be tuned.

    Args:
        config: the candidate's or the baseline's.
        path: such as `gate.entropy_weight`.

    Raises:
        ValueError: with the rule.
    """
    first, *rest = path.split(".")
    if first not in SECTIONS or not rest:
        raise ValueError(f"a path must begin with {', '.join(f'`{s}.`' for s in SECTIONS)}")
    for fixed, reason in _FIXED.items():
        if f"{path}.".startswith(f"{fixed}."):
            raise ValueError(f"cannot be tuned: {reason}")
    section = getattr(config, first)
    for depth, name in enumerate(rest, start=1):
        here = ".".join([first, *rest[: depth - 1]])
        if section is None:
            raise ValueError(f"`{here}` is null; give it, to tune what is in it")
        if not isinstance(section, Section) or name not in type(section).model_fields:
            raise ValueError(f"`{here}` has no option `{name}`{_options(section)}")
        section = getattr(section, name)


def _options(section: Any) -> str:
    if not isinstance(section, Section):
        return ""
    kind = f" ({section.kind})" if hasattr(section, "kind") else ""
    return f"{kind}; it has {', '.join(type(section).model_fields)}"


def get_value(config: TrainerConfig, path: str) -> Any:
    """The option's value, sections as plain mappings and tuples as lists."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return json.loads(value.model_dump_json()) if isinstance(value, Section) else _plain(value)


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def apply_values(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """The configuration with other values, checked as if the YAML had them.

    Args:
        config: the candidate's or the baseline's.
        values: path -> value.

    Raises:
        ValueError: if a value, or all together, break a rule.
    """
    sections = {name: getattr(config, name).model_dump() for name in SECTIONS}
    for path, value in values.items():
        set_value(sections, path, value)
    parts = {name: getattr(config, name) for name in type(config).model_fields}
    return type(config).model_validate(parts | sections)


def set_value(document: dict[str, Any], path: str, value: Any) -> None:
    """Puts a value into nested mappings, in place; those that are missing are made.

    Example:
        >>> document = {"model": {"num_experts": 8}}
        >>> set_value(document, "training.l2", 0.1)
        >>> document
        {'model': {'num_experts': 8}, 'training': {'l2': 0.1}}
    """
    *above, name = path.split(".")
    for part in above:
        if document.get(part) is None:
            document[part] = {}
        document = document[part]
    document[name] = value


def encode(value: Any) -> int | float | str:
    """A value as keras-tuner can hold it: a number or a word; else JSON.

    Example:
        >>> encode(0.5), encode("adam"), encode([128, 32]), encode(None)
        (0.5, 'adam', '[128, 32]', 'null')
    """
    if isinstance(value, str):
        return value if decode(value) == value else json.dumps(value)
    return value if type(value) in (int, float) else json.dumps(value)


def decode(value: int | float | str) -> Any:
    """The value that `encode` wrote.

    Example:
        >>> [decode(value) for value in (0.5, "adam", "[128, 32]", "null")]
        [0.5, 'adam', [128, 32], None]
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def with_hyperparameters(config: ConfigT, found: Mapping[str, Any] | None) -> ConfigT:
    """The configuration with what a TFX Tuner has found.

    Args:
        config: the candidate's or the baseline's.
        found: `HyperParameters.get_config()` of keras-tuner; None changes nothing.
    """
    if not found:
        return config
    values = {path: decode(value) for path, value in found["values"].items()}
    return apply_values(config, values)
