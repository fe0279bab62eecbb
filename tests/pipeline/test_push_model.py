"""A version appears in the served folder whole, or not at all."""

import errno
import fcntl
import json
import shutil
from pathlib import Path

import pytest
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import json_utils, proto_utils

from pipeline.components.push_model import Executor
from pipeline.served.seal import Seal, read_seal
from pipeline.served.versions import push_version
from serving.manifest.check import check_model
from serving.manifest.document import MANIFEST_FILE, OWN_FILES, ManifestError
from serving.manifest.keys import read_signing_key, read_verify_keys
from serving.server.models.config import find_versions
from tests.serving.signing import write_keys
from transforms.errors import InputError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What stands for a SavedModel of two files."""
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "ranker"


def versions(served: Path) -> list[int]:
    """What a server would find."""
    return sorted(find_versions(served)) if served.is_dir() else []


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def break_rename(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Path, "rename", fail)


def test_each_push_is_the_next_version_even_if_older_ones_are_gone(model, served):
    assert [push_version(model, served).name for _ in range(3)] == ["1", "2", "3"]
    shutil.rmtree(served / "1")
    assert push_version(model, served) == served / "4"
    assert versions(served) == [2, 3, 4]
    assert files(served / "4") == files(model)


def test_a_disk_that_locks_no_folders_is_pushed_to(model, served, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert push_version(model, served) == served / "1"


def test_a_push_killed_between_copy_and_rename_leaves_no_version(model, served, monkeypatch):
    # A killed process cleans nothing up.
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    break_rename(monkeypatch, SystemExit("killed"))
    with pytest.raises(SystemExit):
        push_version(model, served)
    assert files(served / ".incoming") == files(model)
    assert versions(served) == []
    monkeypatch.undo()
    (served / ".incoming" / "stale").touch()
    assert push_version(model, served) == served / "1"
    assert files(served) == {f"1/{name}" for name in files(model)}


def test_a_copy_that_fails_leaves_no_version_and_no_litter(model, served):
    push_version(model, served)
    (model / "variables" / "lost").symlink_to("nowhere")
    with pytest.raises(OSError, match="lost"):
        push_version(model, served)
    assert {path.name for path in served.iterdir()} == {"1"}


@pytest.fixture
def push(model, served, tmp_path, monkeypatch):
    """Runs the Pusher's executor on a blessed model; gives the artifact."""
    executor = Executor()
    monkeypatch.setattr(executor, "CheckBlessing", lambda _: True)
    monkeypatch.setattr(executor, "GetModelPath", lambda _: str(model))
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(tmp_path / "pushed")
    filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=str(served))
    destination = pusher_pb2.PushDestination(filesystem=filesystem)
    properties = {"push_destination": proto_utils.proto_to_json(destination)}

    def run(seal: Seal | None = None):
        if seal is not None:
            properties["custom_config"] = json_utils.dumps(seal.config())
        executor.Do({}, {"pushed_model": [pushed]}, properties)
        return pushed

    return run


def test_the_artifact_holds_the_model_and_names_its_version(push, model, served):
    pushed = push()
    assert files(Path(pushed.uri)) == files(model)
    assert pushed.get_string_custom_property("pushed_version") == "1"
    assert versions(served) == [1]


def test_a_push_whose_artifact_cannot_be_written_serves_nothing(push, served, tmp_path):
    (tmp_path / "pushed").write_text("in the way")
    with pytest.raises(FileExistsError):
        push()
    assert versions(served) == []


def seen_until(model: Path, span: int) -> None:
    extra = model / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / "spans.json").write_text(json.dumps([{"span": span - 1}, {"span": span}]))


def test_a_model_of_an_older_day_never_takes_the_place_of_a_later_one(push, model, served):
    for span, expected in ((8, [1]), (7, [1]), (8, [1, 2]), (9, [1, 2, 3])):
        shutil.rmtree(served.parents[1] / "pushed", ignore_errors=True)
        seen_until(model, span)
        artifact = push()
        assert versions(served) == expected
        assert artifact.get_int_custom_property("pushed") == (span != 7)


def test_a_push_lists_the_files_and_signs_the_list_if_it_has_a_key(push, model, served, tmp_path):
    private, public = write_keys(tmp_path)
    push(Seal("demo"))
    assert files(served / "1") == {*files(model), MANIFEST_FILE}
    assert json.loads((served / "1" / MANIFEST_FILE).read_text())["ranker"] == "demo"
    shutil.rmtree(tmp_path / "pushed")
    push(Seal("demo", read_signing_key(private)))
    assert files(served / "2") == files(model) | OWN_FILES
    check_model(served / "2", read_verify_keys(public))
    # Without a seal, what is pushed is a copy, such as that of a version under a new number.
    check_model(push_version(served / "2", served), read_verify_keys(public))


def test_what_the_database_is_told_of_a_key_is_enough_to_sign(tmp_path):
    private, _ = write_keys(tmp_path)
    for seal in (Seal("demo"), Seal("demo", read_signing_key(private))):
        assert read_seal(json_utils.loads(json_utils.dumps(seal.config()))) == seal
    assert read_seal(None) is None


def test_a_model_that_is_pushed_anew_gets_a_new_list(model, served):
    push_version(model, served, Seal("demo"))
    again = push_version(served / "1", served, Seal("other"))
    check_model(again)
    assert json.loads((again / MANIFEST_FILE).read_text())["ranker"] == "other"


def test_a_copy_that_is_not_what_was_pushed_does_not_fit_its_list(model, served, monkeypatch):
    copy = shutil.copytree

    def broken(source, target, *more):
        copy(source, target, *more)
        if source == model:
            (Path(target) / "saved_model.pb").write_bytes(b"grapf")

    monkeypatch.setattr(shutil, "copytree", broken)
    with pytest.raises(ManifestError, match=r"saved_model.pb: must have the SHA-256"):
        check_model(push_version(model, served, Seal("demo")))


def test_a_key_that_cannot_be_used_leaves_nothing_to_serve(push, served, tmp_path):
    private, _ = write_keys(tmp_path)
    seal = Seal("demo", read_signing_key(private))
    private.chmod(0o644)
    with pytest.raises(InputError, match="owner only"):
        push(seal)
    assert versions(served) == []
