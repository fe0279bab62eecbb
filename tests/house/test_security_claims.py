"""docs/security.md names code and tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
WORDS = set(re.findall(r"`([^`\s]+)`", TEXT))
TESTS = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
ROWS = [line for line in TEXT.splitlines() if re.search(r"\| `[\w/.]+\.py`", line)]


@pytest.mark.parametrize("name", sorted(word for word in WORDS if word.startswith("test_")))
def test_a_test_that_is_named_is_there(name):
    assert name in TESTS or any(f"def {name}(" in text for text in TESTS.values())


@pytest.mark.parametrize("place", sorted(word for word in WORDS if re.fullmatch(r"\w+/\S*", word)))
def test_code_that_is_named_is_there(place):
    if not place.startswith(("build/", "ws/")):
        assert any((folder / place).exists() for folder in (ROOT, ROOT / "serving" / "server"))


def test_each_defence_in_code_names_its_test():
    assert len(ROWS) > 15
    assert [row for row in ROWS if "test_" not in row] == []
