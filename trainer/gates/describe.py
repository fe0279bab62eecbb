"""What the registry knows, for people: each kind, its options and their bounds, by its code.

Summaries and meanings are read from docstrings, types, defaults and bounds from the
models, so that nothing here can fall behind. Imports no TensorFlow: a gate's own
docstring is read from its source.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from trainer.gates.balance_options import BALANCES
from trainer.gates.options import GateSection
from trainer.gates.registry import GATES
from transforms.section import Section

# A heading of a docstring with what stands under it.
_PART = re.compile(
    r"^(?:Args|Attributes|Example|Raises|Reference|Returns):.*\n?(?:(?: .*)?\n|(?: .+)\Z)*", re.M
)
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", re.M)


@dataclass(frozen=True)
class Option:
    """One option of a section.

    Attributes:
        name: its key in the YAML.
        schema: its values as JSON Schema: type, bounds, default.
        meaning: a line.
    """

    name: str
    schema: Mapping[str, Any]
    meaning: str


@dataclass(frozen=True)
class KindDescription:
    """A kind of gate or of balance.

    Attributes:
        kind: its name in the YAML.
        summary: a line.
        options: without `kind`.
    """

    kind: str
    summary: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class GateDescription(KindDescription):
    """A kind of gate.

    Attributes:
        gate: dotted path of its class.
        explanation: the prose of that class's docstring and of its options', by paragraph.
        static: whether its weights may be the same for every example.
        per_example: whether they may depend on the example.
    """

    gate: str
    explanation: tuple[str, ...]
    static: bool
    per_example: bool


def describe_gate_kind(kind: str) -> GateDescription:
    """One kind of `GATES`.

    Args:
        kind: its name.

    Example:
        >>> softmax = describe_gate_kind("softmax")
        >>> softmax.static, softmax.per_example, [option.name for option in softmax.options]
        (True, True, ['per_example'])
    """
    gate, section = GATES[kind]
    prose = _paragraphs(_docstring_in_source(gate))
    # A gate without options of its own has the base's, which says nothing of the gate.
    about = prose if section is GateSection else _paragraphs(section.__doc__ or "")
    fixed = section.model_json_schema()["properties"]["per_example"].get("const")
    return GateDescription(
        kind=kind,
        summary=about[0] if about else "",
        options=_options(section),
        gate=gate,
        explanation=prose + (() if section is GateSection else about[1:]),
        static=fixed is not True,
        per_example=fixed is not False,
    )


def describe_balance_kind(kind: str) -> KindDescription:
    """One kind of `BALANCES`.

    Args:
        kind: its name.

    Example:
        >>> describe_balance_kind("mean").options[0].schema["default"]
        0.3
    """
    section = BALANCES[kind]
    return KindDescription(kind, _paragraphs(section.__doc__ or "")[0], _options(section))


def parse_attributes(docstring: str) -> dict[str, str]:
    """The `Attributes:` of a docstring, name -> meaning on one line.

    Args:
        docstring: as written.

    Example:
        >>> parse_attributes('''Words.
        ...
        ...     Attributes:
        ...         name: of it,
        ...             and more.
        ...     ''')
        {'name': 'of it, and more.'}
    """
    _, _, attributes = inspect.cleandoc(docstring).partition("\nAttributes:\n")
    pairs = _ATTRIBUTE.findall(_PART.sub("", attributes))
    return {name: " ".join(text.split()) for name, text in pairs}


def _options(section: type[Section]) -> tuple[Option, ...]:
    """All that a user can choose: what only one value fits is no option."""
    meanings: dict[str, str] = {}
    for base in reversed(section.__mro__):
        meanings |= parse_attributes(base.__dict__.get("__doc__") or "")
    return tuple(
        Option(name, _plain(schema), meanings.get(name, ""))
        for name, schema in section.model_json_schema()["properties"].items()
        if name != "kind" and "const" not in schema
    )


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without pydantic's titles, and with a section in place of a link to its definition."""
    if "$ref" in schema:
        return {"type": "object"}
    plain = {key: value for key, value in schema.items() if key != "title"}
    if "anyOf" in plain:
        plain["anyOf"] = [_plain(one) for one in plain["anyOf"]]
    return plain


def _paragraphs(docstring: str) -> tuple[str, ...]:
    """The prose between the headings, a paragraph on one line."""
    prose = _PART.sub("\n", inspect.cleandoc(docstring))
    return tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", prose.strip()) if part)


def _docstring_in_source(path: str) -> str:
    """The docstring of a class without importing its module, which imports TensorFlow."""
    module, _, name = path.rpartition(".")
    spec = find_spec(module)
    source = getattr(spec.loader, "get_source", None) if spec else None
    tree = ast.parse((source(module) or "") if source else "")
    return next((ast.get_docstring(node) or "" for node in _classes(tree, name)), "")


def _classes(tree: ast.Module, name: str) -> Iterator[ast.ClassDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
