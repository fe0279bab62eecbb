"""Images: what they are made from, who runs in them, what is in them. Their steps: long."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deployment.images.choose_lock import choose_lock, read_names
from serving.manifest.keys import read_signing_key
from serving.manifest.write import sign_model
from tests.deployment.dockerfile import (
    HOME,
    IMAGES,
    ROOT,
    do_steps,
    make_context,
    read_image,
    variables,
)
from tests.pipeline.tiny import IMPRESSIONS, write_tiny
from tests.serving.signing import write_keys
from tests.serving.toy_ranker import write_version

FINAL = [("serve", "serve"), ("train", "train"), ("train", "train-gpu")]
MEGABYTES = {"serve": 2000, "train": 4000}
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("image", ["serve", "train"])
def test_an_image_begins_from_one_base_that_cannot_change(image):
    stages = read_image(image)
    bases = {stage.base for stage in stages.values()} - set(stages)
    (base,) = bases
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)


@pytest.mark.parametrize(("image", "target"), FINAL)
def test_an_image_is_run_by_nobody_and_has_only_what_the_build_left(image, target):
    stage = read_image(image)[target]
    assert stage.base == "base"
    assert not [text for word, text in stage.steps if word == "RUN"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", stage.last("USER"))
    source, folder, _ = stage.last("COPY").split()
    assert source.startswith("--from=build") and folder == HOME
    command = json.loads(stage.last("ENTRYPOINT"))
    assert command[0] == f"{HOME}/bin/gaterank"


def test_the_image_that_is_built_unasked_trains_on_processors():
    assert list(read_image("train"))[-1] == "train"


@pytest.mark.parametrize("image", ["serve", "train"])
def test_every_package_is_installed_by_its_hash(image):
    for stage in read_image(image).values():
        for word, text in stage.steps:
            if word == "RUN" and "pip install" in text and "./source" not in text:
                assert "--require-hashes" in text and "--no-deps" in text


def test_what_serves_is_part_of_the_lock():
    text = (IMAGES / "serve.packages").read_text()
    names = read_names(text)
    chosen = choose_lock(LOCK, names)
    assert len(names) == len(set(names)) == len(re.findall(r"(?m)^\S+==", chosen))
    assert all(line in LOCK for line in chosen.splitlines())
    assert {"tensorflow", "uvicorn", "grpcio"} <= set(names)
    assert not {"tfx", "apache-beam", "kfp", "pytest", "uv"} & set(names)


def test_a_package_that_the_lock_has_not_is_told():
    with pytest.raises(ValueError, match=r"Missing: \['tensorflow-gpu'\]"):
        choose_lock(LOCK, ["tensorflow", "tensorflow-gpu"])


def test_the_libraries_for_gpus_are_those_that_tensorflow_asks_for():
    wanted = map(Requirement, requires("tensorflow"))
    cuda = {r.name: r.specifier for r in wanted if "and-cuda" in str(r.marker)}
    locked = dict(re.findall(r"(?m)^(\S+)==(\S+)", (IMAGES / "cuda.lock").read_text()))
    assert set(locked) == set(cuda)
    assert [name for name, version in locked.items() if version not in cuda[name]] == []


def test_only_what_the_images_need_is_sent_to_the_engine(tmp_path):
    context = make_context(tmp_path)
    assert {path.name for path in context.iterdir()} == {
        *("requirements.lock", "setup.py", "pyproject.toml"),
        *("transforms", "trainer", "serving", "pipeline", "deployment"),
    }
    for image in ("serve", "train"):
        for stage in read_image(image).values():
            for word, text in stage.steps:
                if word == "COPY" and not text.startswith("--from"):
                    assert all((context / source).exists() for source in text.split()[:-1])


ALONE = """
import sys
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions
names = set(sys.argv.pop(1).split())
ours = {"gaterank"} | names
absent = {
    module
    for module, owners in packages_distributions().items()
    if not ours & {owner.lower().replace("_", "-") for owner in owners}
}

class Present:
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in absent else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Present()
from pipeline.cli.main import main
main()
"""


def test_serving_needs_no_other_package(tmp_path):
    """Here by hiding the others; in the image, by what is there (make test-long)."""
    listed = read_names((IMAGES / "serve.packages").read_text())
    names = " ".join(name for name in listed if name not in ("setuptools", "wheel"))
    serve_toy([sys.executable, "-c", ALONE, names], tmp_path, dict(os.environ))


def serve_toy(gaterank: list, folder: Path, environment: dict[str, str]) -> None:
    """Serves a model by that command with all that needs a package of its own, and asks it."""
    write_version(folder / "ranker", 1, 2.0)
    command = [*gaterank, "serve", folder / "ranker", "--port", "0", "--grpc-port", "0"]
    command += ["--request-log", folder / "log"]
    private, public = write_keys(folder)
    sign_model(folder / "ranker" / "1", "ranker", read_signing_key(private))
    command += ["--verify-key", public]
    command += ["--batching", ROOT / "deployment/serving/batching_parameters.txt"]
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE)
    try:
        url = re.search(rb"http://\S+/v1/models/", server.stdout.readline())[0].decode()
        request = json.dumps({"inputs": [1.0, 2.0]}).encode()
        with urllib.request.urlopen(f"{url}ranker:predict", request) as answer:
            assert json.load(answer) == {"outputs": [2.0, 4.0]}
        server.terminate()
        assert server.wait(30) == 0
    finally:
        server.kill()


def measure(folder: Path) -> int:
    """Megabytes of a folder's files."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) // 10**6


@pytest.fixture
def built(request, tmp_path):
    """An image's home, made by the steps of its Dockerfile, and its environment."""
    stages = read_image(request.param)
    home = tmp_path / "home"
    do_steps(stages, stages["build"], make_context(tmp_path / "context"), home)
    assert measure(home) < MEGABYTES[request.param]
    return home, variables(stages, stages[request.param]) | {"HOME": str(tmp_path)}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("built", ["serve"], indirect=True)
def test_the_image_that_serves_has_all_that_serving_needs_and_writes_nothing_there(built, tmp_path):
    home, environment = built
    before = sorted(home.rglob("*"))
    serve_toy([home / "bin" / "gaterank"], tmp_path, environment)
    assert sorted(home.rglob("*")) == before


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("built", ["train"], indirect=True)
def test_the_image_that_trains_runs_every_verb_and_a_pipeline(built, tmp_path):
    home, environment = built
    config, _ = write_tiny(tmp_path)
    before = sorted(home.rglob("*"))
    gaterank, logs = home / "bin" / "gaterank", tmp_path / "logs"
    for command in (
        ["simulate", "--out", logs, "--impressions", str(IMPRESSIONS)],
        ["run", config, "--workspace", tmp_path / "workspace", "--logs", logs],
    ):
        done = subprocess.run(
            [gaterank, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "workspace/serving/demo/1/saved_model.pb").is_file()
    assert sorted(home.rglob("*")) == before
