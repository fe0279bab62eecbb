"""YAML as a configuration needs it: no key twice, no bomb, no broken scalar let through."""

from pathlib import Path
from typing import Any

import yaml

from transforms.errors import ConfigError, InputError
from transforms.secrets import refuse_secrets
from transforms.small_files import read_small_file

_MAX_BYTES = 1_000_000
_MAX_VALUES = 200_000
_MERGE = "tag:yaml.org,2002:merge"
# What PyYAML raises for a scalar that does not fit its type, such as the date 2026-13-45.
_MISFITS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


def read_document(path: str | Path) -> Any:
    """What a ranker's YAML holds, before its rules are checked.

    Args:
        path: the file; at most 1 MB.

    Raises:
        InputError: if there is no such file or it is no UTF-8 text.
        ConfigError: if it is no YAML, or holds a secret.
    """
    path = Path(path)
    try:
        text = read_small_file(path, _MAX_BYTES, too_large=ConfigError).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text: {error.reason}") from None
    try:
        document = read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: must be YAML: {error}") from None
    refuse_secrets(document, str(path))
    return document


def read_yaml(text: str) -> Any:
    """Reads one YAML document of plain values.

    Args:
        text: the document.

    Raises:
        yaml.YAMLError: if it is no YAML, gives a key twice in one mapping, or holds more
            values than any configuration, counting what an alias (`*name`) repeats.

    Example:
        >>> read_yaml("gate: {kind: top_k}")
        {'gate': {'kind': 'top_k'}}
    """
    loader = _Loader(text)
    try:
        document = loader.get_single_node()
        if document is None:
            return None
        _check_size(document)
        return loader.construct_document(document)
    except RecursionError:
        raise yaml.YAMLError("values are nested too deep") from None
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Plain values only; a broken one is an error with its place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _MISFITS as error:
            problem = f"a value that does not fit its type: {error}"
            raise _problem(problem, node) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise _problem(f"`{key.value}` must be given once", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _check_size(document: yaml.Node) -> None:
    """Refuses what grows without bound when its aliases are followed."""
    sizes: dict[yaml.Node, int] = {}

    def size(node: yaml.Node) -> int:
        if node not in sizes:
            # An alias to a value that is not complete yet leads round in a circle.
            sizes[node] = _MAX_VALUES + 1
            sizes[node] = 1 + sum(size(child) for child in _children(node))
            if sizes[node] > _MAX_VALUES:
                problem = f"must hold at most {_MAX_VALUES} values, its aliases followed"
                raise _problem(problem, node)
        return sizes[node]

    size(document)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _problem(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
