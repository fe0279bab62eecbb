"""The house: imports go down only, names are in their rooms, files stay small."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"transforms": 1, "trainer": 2, "serving": 3, "pipeline": 4, "deployment": 5}
SOURCES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
MAX_LINES = 230


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_modules(path)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_floor_imports_only_floors_below_it(path):
    floor = FLOORS[path.relative_to(ROOT).parts[0]]
    above = {name for name in imported_packages(path) if FLOORS.get(name, 0) > floor}
    assert not above


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_says_what_it_is_for_and_stays_small(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module docstring"
    assert len(text.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_reads_the_environment_at_import(path):
    """Setting a default is allowed; reading is not."""
    for node in ast.parse(path.read_text()).body:
        for child in ast.walk(node):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            if isinstance(child, ast.Attribute) and child.attr in ("environ", "getenv"):
                assert "setdefault" in ast.unparse(node)


INGEST = ROOT / "transforms" / "ingest"
INGEST_SOURCES = sorted(path for path in INGEST.rglob("*.py") if path != INGEST / "__init__.py")


def ingest_rooms():
    """The rooms in the order of the line that the package's docstring ends with."""
    docstring = ast.get_docstring(ast.parse((INGEST / "__init__.py").read_text()))
    return [room.strip() for room in docstring.split("\n\n")[-1].split(",")]


def test_every_room_of_ingestion_stands_in_the_line():
    found = {path.relative_to(INGEST).parts[0].removesuffix(".py") for path in INGEST_SOURCES}
    assert set(ingest_rooms()) == found


@pytest.mark.parametrize("path", INGEST_SOURCES, ids=lambda p: str(p.relative_to(INGEST)))
def test_a_room_of_ingestion_imports_only_rooms_before_it(path):
    rooms = ingest_rooms()
    here = path.relative_to(INGEST).parts[0].removesuffix(".py")
    for name in imported_modules(path):
        if name.startswith("transforms.ingest."):
            room = name.split(".")[2]
            assert rooms.index(room) <= rooms.index(here), f"{here} must not import {name}"


@pytest.mark.parametrize("path", INGEST_SOURCES, ids=lambda p: str(p.relative_to(INGEST)))
def test_only_steps_and_pipeline_of_ingestion_know_beam(path):
    if path.relative_to(INGEST).parts[0] not in ("steps", "pipeline.py"):
        assert "apache_beam" not in imported_packages(path)
