"""The tools: of Go, each by its own module; of PyPI, unpacked into a folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deployment.engines.parts import make_once
from deployment.validation.schemas import write_schemas
from transforms.errors import GaterankError, InputError

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "tools"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_SCHEMAS = Path(__file__).with_name("schemas.py")
_MODULES = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.21.4",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
    "promtool": "github.com/prometheus/prometheus/cmd/promtool@v0.316.0",
    # `docker compose`, which reads a file without an engine.
    "compose": "github.com/docker/compose/v5/cmd@v5.0.2",
}
# Of Prometheus' ways to find servers promtool needs only the one that is used here.
_TAGS = {"promtool": "remove_all_sd,enable_kubernetes_sd"}
PROGRAMS = (*_MODULES, "hadolint")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tools:
    """Where the tools are.

    Attributes:
        programs: name -> executable.
        schemas: a folder of JSON schemas for each version of Kubernetes.
    """

    programs: Mapping[str, Path]
    schemas: Path

    def run(self, name: str, *arguments: str | Path, given: str = "", **variables: str) -> str:
        """What a tool prints.

        Args:
            name: of the tool.
            arguments: of its command line.
            given: its standard input.
            variables: of its environment.

        Raises:
            GaterankError: with all that it printed, if it ends with an error.
        """
        return _run([str(self.programs[name]), *map(str, arguments)], given, variables)


def make_tools(say: Say, folder: Path = BUILD) -> Tools:
    """Makes what is not there, or was made from another version.

    Args:
        say: prints a line.
        folder: where to.

    Raises:
        InputError: if Go is missing.
        GaterankError: if a tool cannot be made.
    """
    for name, module in _MODULES.items():
        tags = _TAGS.get(name, "")
        make_once(folder / name, module + tags, say, partial(_install, module, tags))
    packages = make_once(folder / "packages", _REQUIREMENTS.read_text(), say, _unpack)
    recipe = _REQUIREMENTS.read_text() + _SCHEMAS.read_text()
    make_once(folder / "schemas", recipe, say, lambda f: write_schemas(packages, f))
    return find_tools(folder)


def find_tools(folder: Path = BUILD) -> Tools:
    """The tools that are there already.

    Args:
        folder: of an earlier `make_tools`.
    """
    programs = {name: folder / name / module.split("@")[0].rpartition("/")[2]
                for name, module in _MODULES.items()}  # fmt: skip
    programs["hadolint"] = folder / "packages" / "bin" / "hadolint"
    there = {name: program for name, program in programs.items() if program.is_file()}
    return Tools(there, folder / "schemas")


def _install(module: str, tags: str, folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise InputError("`go` must be installed, on Debian by golang")
    # With CGO, some modules would ask for a C library that they can do without.
    variables = {"GOBIN": str(folder), "CGO_ENABLED": "0"}
    _run([go, "install", "-trimpath", "-ldflags=-s -w", f"-tags={tags}", module], "", variables)


def _unpack(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    pip += ["--only-binary=:all:", "--require-hashes", "--requirement", str(_REQUIREMENTS)]
    _run([*pip, "--target", str(folder)], "", {})


def _run(command: Sequence[str], given: str, variables: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, env=os.environ | variables, input=given, capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()[-4000:]
        raise GaterankError(f"{' '.join(command)}: failed with {done.returncode}\n{said}")
    return done.stdout
