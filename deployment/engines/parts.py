"""What an engine is made of, each made once: its jars, Beam's job server, the boot program."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from transforms.errors import GaterankError, InputError
from transforms.folders import taking_the_place_of

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "engines"
HERE = Path(__file__).resolve().parent
_RECIPE = "recipe"
_JAR = "job-server.jar"
_BOOT_MODULE = "github.com/apache/beam/sdks/v2/python/container"
_PACKAGES = {"java": "openjdk-17-jre-headless", "mvn": "maven", "go": "golang"}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """Which parts an engine needs.

    Attributes:
        name: of the engine, and of its folder.
        home: the folder with the engine's jars, inside what PyPI's package installs.
        runner: Beam's artifact of Maven Central.
        main_class: of Beam's job server.
    """

    name: str
    home: str
    runner: str
    main_class: str


@dataclass(frozen=True)
class Parts:
    """What an engine is made of.

    Attributes:
        home: with the engine's jars.
        job_server: a jar with Beam's job server and its runner.
        no_code: a jar with nothing in it.
        boot: Beam's program that starts Python workers.
    """

    home: Path
    job_server: Path
    no_code: Path
    boot: Path


def make_parts(recipe: Recipe, say: Say, folder: Path = BUILD) -> Parts:
    """Makes what is not there, or was made by another recipe.

    Args:
        recipe: of the engine.
        say: prints a line.
        folder: where to.

    Raises:
        InputError: if a program is missing.
        GaterankError: if one fails.
    """
    jars, pom = HERE / recipe.name / "requirements.txt", HERE / "pom.xml"
    module = f"{_BOOT_MODULE}@v{version('apache-beam')}"
    own = folder / recipe.name
    engine = make_once(own / "engine", jars.read_text(), say, lambda f: _install_jars(jars, f))
    words = pom.read_text() + recipe.runner + recipe.main_class
    server = make_once(own / "job_server", words, say, lambda f: _shade(pom, recipe, f))
    boot = make_once(folder / "boot", module, say, lambda f: _install_boot(module, f))
    return Parts(
        home=engine / recipe.home,
        job_server=server / _JAR,
        no_code=server / f"original-{_JAR}",
        boot=boot / "container",
    )


def make_once(place: Path, recipe: str, say: Say, make: Callable[[Path], None]) -> Path:
    """Makes a folder, unless it was made by the same recipe before.

    Args:
        place: the folder.
        recipe: all that its content depends on.
        say: prints a line.
        make: fills a folder that is not yet at its place.
    """
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    made = place / _RECIPE
    if not made.is_file() or made.read_text() != digest:
        say(f"making {place} ...")
        with taking_the_place_of(place, _RECIPE) as partial:
            make(partial)
            (partial / _RECIPE).write_text(digest)
    return place


def find_java() -> str:
    """The Java that engines run on.

    Raises:
        InputError: if there is none, or it is not Java 17.
    """
    java = _find("java")
    said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    if 'version "17' not in said:
        raise InputError(f"{java}: must be Java 17. Received: {said.partition(chr(10))[0]}")
    return java


def _install_jars(requirements: Path, folder: Path) -> None:
    # Into a folder of its own: the Python half of the package is of no use here.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    _run([*pip, "--require-hashes", "--requirement", str(requirements), "--target", str(folder)])


def _shade(pom: Path, recipe: Recipe, folder: Path) -> None:
    find_java()
    words = {
        "runner": recipe.runner,
        "mainClass": recipe.main_class,
        "buildDirectory": str(folder),
    }
    maven = [_find("mvn"), "-B", "-q", "-f", str(pom), "package"]
    _run([*maven, *(f"-D{name}={value}" for name, value in words.items())])


def _install_boot(module: str, folder: Path) -> None:
    _run([_find("go"), "install", module], GOBIN=str(folder))


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise InputError(f"`{program}` must be installed, on Debian by {_PACKAGES[program]}")
    return found


def _run(command: list[str], **variables: str) -> None:
    done = subprocess.run(
        command, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace")[-2000:]
        raise GaterankError(f"{' '.join(command)}: failed with {done.returncode}\n{said}")
