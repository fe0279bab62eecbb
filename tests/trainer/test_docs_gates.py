"""docs/gates.md says what is true, and its examples run."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from trainer.config import TrainerConfig
from trainer.export.forward import FullForward
from trainer.export.pruned_forward import PrunedForward
from trainer.gates.describe import describe_gate_kind
from trainer.gates.options import GateSection
from trainer.gates.registry import GATES, GateKind, make_gate, parse_gate
from trainer.model.ranker import Ranker

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "gates.md").read_text()
T, N, K, D = 3, 8, 2, 4
ROWS = {
    cells[0].strip("`"): cells
    for cells in (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.split("## The kinds")[1].split("###")[0].splitlines()
        if line.startswith("| `")
    )
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def load(name: str, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Imports a block as the module that its docstring names."""
    path = folder / f"{name.rpartition('.')[2]}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def register(line: str, monkeypatch: pytest.MonkeyPatch, **known: type[GateSection]) -> None:
    """Adds a line of the page to the registry."""
    for kind, gate in eval(f"{{{line}}}", {"GateKind": GateKind, **known}).items():
        monkeypatch.setitem(GATES, kind, gate)


@pytest.fixture
def one_gate(tmp_path, monkeypatch):
    """The page's gate, registered as the page says."""
    gate, line, _, _ = blocks("python")
    load("trainer.gates.one_gate", gate, tmp_path, monkeypatch)
    register(line, monkeypatch)


def test_every_kind_has_a_row():
    assert set(ROWS) == set(GATES)


@pytest.mark.parametrize("kind", GATES)
def test_a_row_says_what_the_gate_can_and_how_many_numbers_it_trains(kind):
    _, _, static, per_example, numbers = ROWS[kind]
    described = describe_gate_kind(kind)
    assert (static == "yes", per_example == "yes") == (described.static, described.per_example)
    formula = re.sub(r"(?<=[\w)]) (?=[\w(])", "*", numbers)
    expected = eval(formula, {"T": T, "n": N, "k": K, "m": 3})
    for ways, factor in ((described.static, 1), (described.per_example, D + 1)):
        if ways:
            assert count_numbers(kind, per_example=factor > 1) == expected * factor


def count_numbers(kind: str, per_example: bool) -> int:
    options = parse_gate({"kind": kind, "per_example": per_example})
    gate = make_gate(T, options.count_experts(N), options)
    gate(tf.zeros([1, D]), training=True)
    return sum(int(np.prod(variable.shape)) for variable in gate.trainable_variables)


def test_yaml_on_the_page_is_valid():
    for text in blocks("yaml"):
        document = yaml.safe_load(text)
        assert parse_gate(document["gate"])
        assert parse_gate(document["baseline"]["gate"])


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", PAGE))
def test_links_and_pictures_of_the_page_are_there(link):
    assert (DOCS / link).is_file()


def test_the_pages_gate_works_compiled_and_is_described(one_gate):
    gate = make_gate(T, N, parse_gate({"kind": "one_gate"}))
    gate(tf.zeros([1, D]))
    gate.logits.assign(tf.range(N, dtype=tf.float32))
    weights = tf.function(lambda x: gate(x).weights, jit_compile=True)(tf.zeros([1, D])).numpy()
    assert weights.shape == (T, N)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert (weights == weights[0]).all()
    assert describe_gate_kind("one_gate").summary == "w = softmax(b), the same for every task."


def test_a_ranker_with_the_pages_gate_trains_and_exports(one_gate):
    config = TrainerConfig.model_validate(
        {
            "features": {"age": {"of": "user", "kind": "numeric"}},
            "tasks": {
                "click": {"kind": "classification", "group": "g", "label": {"event": "click"}}
            },
            "score": "click",
            "gate": {"kind": "one_gate"},
        }
    )
    ranker = Ranker(config, {}, {"click": 0.5})
    batch = {
        "age": tf.random.normal([6]),
        "label_click": tf.ones([6]),
        "weight_click": tf.ones([6]),
    }
    ranker.compile(optimizer="sgd")
    before = ranker(batch).gate_weights.numpy()
    ranker.train_step(batch)
    assert not np.array_equal(ranker(batch).gate_weights, before)
    inputs, position = tf.random.normal([4, 1]), tf.ones([4], tf.int64)
    full = FullForward(ranker)(inputs, position, [0])
    np.testing.assert_allclose(PrunedForward(ranker)(inputs, position, [0]), full, atol=1e-6)


def test_options_of_ones_own_are_checked_and_described(one_gate, tmp_path, monkeypatch):
    _, _, options, line = blocks("python")
    assert "tensorflow" not in options
    module = load("trainer.gates.one_gate_options", options, tmp_path, monkeypatch)
    register(line, monkeypatch, OneGateOptions=module.OneGateOptions)
    assert make_gate(T, N, parse_gate({"kind": "one_gate"})).options.temperature == 1.0
    with pytest.raises(ValueError, match="temperature"):
        parse_gate({"kind": "one_gate", "temperature": 0})
    with pytest.raises(ValueError, match="per_example"):
        parse_gate({"kind": "one_gate", "per_example": True})
    (described,) = describe_gate_kind("one_gate").options
    assert described.meaning == "of the softmax; below 1 it is sharper."
