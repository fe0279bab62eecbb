"""The two commands on the README's first screen do what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.tiny import IMPRESSIONS, write_tiny

ROOT = Path(__file__).resolve().parents[2]


def first_commands() -> list[str]:
    """The commands of the README's first block, without their comments."""
    block = re.search(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    return [line.split("#")[0].strip() for line in block[1].splitlines()]


def make(*arguments: str, cwd: Path = ROOT) -> str:
    finished = subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_readme_begins_with_two_commands():
    assert first_commands() == ["make demo", "make test"]


@pytest.mark.parametrize("command", first_commands())
def test_a_fresh_clone_makes_its_environment_from_the_hashed_lock(command, tmp_path):
    for name in ("Makefile", "requirements.lock", "setup.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    recipe = make("-n", command.split()[1], cwd=tmp_path)
    steps = ["python3.11 -m venv .venv", "--require-hashes -r requirements.lock", "--editable ."]
    last = {"make demo": ".venv/bin/gaterank demo", "make test": ".venv/bin/python -m pytest"}
    places = [recipe.index(step) for step in (*steps, last[command])]
    assert places == sorted(places)


@pytest.mark.slow
def test_make_demo_ends_with_a_ranking_a_report_and_commands_that_work(tmp_path):
    write_tiny(tmp_path)
    # This environment, made by the same recipe, in place of another one from the lock.
    said = make(
        "demo",
        f"--old-file={sys.prefix}/.ready",
        f"VENV={sys.prefix}",
        f"DEMO={tmp_path / 'demo'}",
        f"PRESET={tmp_path / 'tiny.yaml'}",
        f"IMPRESSIONS={IMPRESSIONS}",
    )
    assert "candidate" in said and "baseline" in said
    assert re.search(r"serving computes \d+ of 4 experts|serving computes all 4 experts", said)
    assert "rank ┃ item" in said
    report, serve, rank = (
        re.search(rf"^{word} +(.+)$", said, re.M)[1] for word in ("report", "serve", "rank")
    )
    assert Path(report).is_file()
    assert Path(serve.split()[-1], "1", "saved_model.pb").is_file()
    assert Path(rank.split()[-1]).is_file()
    for command in (serve, rank):
        program, verb = command.split()[:2]
        assert subprocess.run([program, verb, "--help"], capture_output=True).returncode == 0
