"""Dockerfiles, as far as ours go: their stages, and a build stage done without an engine."""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "deployment" / "images"
HOME = "/opt/gaterank"


@dataclass
class Stage:
    """A stage: the words after FROM, and its steps as (instruction, the rest)."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, word: str) -> str:
        """What the last instruction of that name says."""
        return [text for instruction, text in self.steps if instruction == word][-1]


def read_stages(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by their names, in their order."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    stages: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = stage = Stage(base, name)
        elif word:
            stage.steps.append((word, rest))
    return stages


def read_image(name: str) -> dict[str, Stage]:
    """The stages of deployment/images/NAME.Dockerfile."""
    return read_stages((IMAGES / f"{name}.Dockerfile").read_text())


def variables(stages: dict[str, Stage], stage: Stage) -> dict[str, str]:
    """The environment that a stage has, with those below it."""
    below = variables(stages, stages[stage.base]) if stage.base in stages else {}
    said = [text for word, text in stage.steps if word == "ENV"]
    return below | dict(pair.split("=", 1) for text in said for pair in shlex.split(text))


def make_context(folder: Path) -> Path:
    """What `docker build` would send: the project's files that .dockerignore leaves."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*" and rules[-1] == "**/__pycache__"
    kept = {rule.removeprefix("!") for rule in rules[1:-1]}
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        if file.split("/")[0] in kept and (ROOT / file).is_file():
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)
    return folder


def do_steps(stages: dict[str, Stage], stage: Stage, context: Path, home: Path) -> None:
    """Does a stage's steps, and those of the stages below it, in `home` for /opt/gaterank."""
    if stage.base in stages:
        do_steps(stages, stages[stage.base], context, home)
    environment = {"PATH": os.environ["PATH"]} | variables(stages, stage) | {"HOME": str(home)}
    for word, text in stage.steps:
        if word == "WORKDIR":
            assert text == HOME
            home.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *sources, target = text.split()
            for source in sources:
                _copy(context / source, home / target)
        elif word == "RUN":
            done = subprocess.run(
                ["sh", "-c", text], cwd=home, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, folder, dirs_exist_ok=True)
    else:
        shutil.copy(source, folder)
