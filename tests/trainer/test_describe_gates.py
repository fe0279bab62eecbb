"""What people are told of the gates comes from the code, and nothing is left untold."""

from typing import Literal

import pytest
from pydantic import Field

from trainer.gates.balance_options import BALANCES
from trainer.gates.describe import describe_balance_kind, describe_gate_kind, parse_attributes
from trainer.gates.describe_values import describe_values
from trainer.gates.options import GateSection
from trainer.gates.registry import GATES, GateKind, parse_gate


class OwnOptions(GateSection):
    """One line of a gate of one's own.

    Attributes:
        depth: of something
            deep.

    Too deep is
    no good.
    """

    kind: Literal["own"]
    depth: int = Field(3, ge=1)
    untold: bool = False


KINDS = {
    **{f"gate-{kind}": (describe_gate_kind, kind) for kind in GATES},
    **{f"balance-{kind}": (describe_balance_kind, kind) for kind in BALANCES},
}


@pytest.mark.parametrize(("describe", "kind"), KINDS.values(), ids=KINDS)
def test_every_kind_has_a_summary_and_every_option_a_documented_line(describe, kind):
    described = describe(kind)
    assert described.summary.endswith(".") and "\n" not in described.summary
    untold = [option.name for option in described.options if not option.meaning.endswith(".")]
    assert not untold
    assert all("default" in option.schema for option in described.options)
    assert all("any" not in describe_values(option.schema) for option in described.options)


@pytest.mark.parametrize("kind", GATES)
def test_a_gate_is_able_to_what_its_section_accepts(kind):
    gate = describe_gate_kind(kind)
    for per_example, able in ((False, gate.static), (True, gate.per_example)):
        if able:
            assert parse_gate({"kind": kind, "per_example": per_example})
        else:
            with pytest.raises(ValueError, match="per_example"):
                parse_gate({"kind": kind, "per_example": per_example})


@pytest.mark.parametrize("kind", GATES)
def test_the_options_are_those_of_the_section_with_its_defaults(kind):
    gate = describe_gate_kind(kind)
    section = parse_gate({"kind": kind})
    pinned = {"kind"} | ({"per_example"} if gate.static != gate.per_example else set())
    assert {option.name for option in gate.options} == set(type(section).model_fields) - pinned
    document = section.model_dump(mode="json")
    for option in gate.options:
        assert option.schema["default"] == document[option.name]


@pytest.mark.parametrize("kind", GATES)
def test_the_class_is_explained_by_its_own_docstring(kind):
    gate = describe_gate_kind(kind)
    assert gate.gate == GATES[kind].gate
    assert gate.explanation
    assert not any(">>>" in paragraph for paragraph in gate.explanation)


def test_a_gate_of_ones_own_is_described_like_the_others(monkeypatch):
    own = GateKind("trainer.gates.softmax.SoftmaxGate", OwnOptions)
    monkeypatch.setitem(GATES, "own", own)
    described = describe_gate_kind("own")
    assert described.summary == "One line of a gate of one's own."
    assert described.explanation[-1] == "Too deep is no good."
    assert not any("Ma et al." in paragraph for paragraph in described.explanation)
    meanings = {option.name: option.meaning for option in described.options}
    assert meanings["depth"] == "of something deep."
    assert meanings["per_example"] == "the weights depend on the example."
    assert meanings["untold"] == "", "what the test above would find"


def test_a_gate_without_options_of_its_own_is_summed_up_by_its_class(monkeypatch):
    monkeypatch.setitem(GATES, "own", GateKind("trainer.gates.softmax.SoftmaxGate"))
    described = describe_gate_kind("own")
    assert described.summary.startswith("Every task uses every expert: w = softmax(b)")
    assert [option.name for option in described.options] == ["per_example"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, "integer in [0, 2147483647]"),
        ({"type": "number", "exclusiveMinimum": 0.0, "exclusiveMaximum": 1.0}, "number in (0, 1)"),
        ({"type": "number", "maximum": 10}, "number <= 10"),
        ({"enum": ["a", "b"], "type": "string"}, "a | b"),
        ({"anyOf": [{"type": "object"}, {"type": "null"}]}, "section, or null"),
        (
            {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
            "list of at least 1: integer >= 1",
        ),
    ],
)
def test_values_are_told_with_their_bounds(schema, words):
    assert describe_values(schema) == words


def test_attributes_end_where_the_next_heading_begins():
    docstring = """Words.

    Attributes:
        one: first.
        two: second
            line.

    Raises:
        ValueError: never.
    """
    assert parse_attributes(docstring) == {"one": "first.", "two": "second line."}
    assert parse_attributes("No attributes.") == {}
