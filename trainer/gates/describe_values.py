"""Which values an option takes, in the words of its JSON Schema."""

from collections.abc import Mapping
from typing import Any

_WORDS = {"boolean": "true | false", "object": "section"}


def describe_values(schema: Mapping[str, Any]) -> str:
    """Which values an option takes, in a few words.

    Args:
        schema: JSON Schema of the option.

    Example:
        >>> describe_values({"type": "number", "exclusiveMinimum": 0.0, "maximum": 1e6})
        'number in (0, 1e6]'
        >>> describe_values({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]})
        'integer >= 1, or null'
    """
    if "anyOf" in schema:
        return ", or ".join(describe_values(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", "any"))
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "array":
        items = describe_values(schema["items"]) if "items" in schema else "any"
        return f"list of {_lengths(schema)}{items}"
    return kind + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = (_bound(schema, name) for name in ("inimum", "aximum"))
    if low and high:
        left, right = ("(" if low[1] else "["), (")" if high[1] else "]")
        return f" in {left}{low[0]}, {high[0]}{right}"
    signs = ((low, ">"), (high, "<"))
    return "".join(f" {sign}{'' if b[1] else '='} {b[0]}" for b, sign in signs if b)


def _bound(schema: Mapping[str, Any], name: str) -> tuple[str, bool] | None:
    """The bound as text, and whether it is excluded."""
    for key, excluded in ((f"m{name}", False), (f"exclusiveM{name}", True)):
        if key in schema:
            return _short(schema[key]), excluded
    return None


def _short(value: float) -> str:
    """With an exponent where that loses nothing: 1e9, but 2147483647."""
    short = f"{value:g}".replace("e+0", "e")
    return short if float(short) == value else str(value)


def _lengths(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    return f"{low} to {high}: " if high is not None else f"at least {low}: "
