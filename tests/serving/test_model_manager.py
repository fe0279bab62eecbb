"""Versions come and go while requests run; no TensorFlow here."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.server.models.config import All, Latest, ModelConfig, Policy, Specific, find_versions
from serving.server.models.manager import ModelManager
from serving.server.models.registry import ModelRequest
from serving.server.models.states import State
from serving.server.status import Code, ServingError
from transforms.errors import InputError


class FakeModel:
    """A model that is a folder with a file `good`."""

    def __init__(self, name: str, version: int) -> None:
        self.name, self.version, self.closed = name, version, False
        self.signatures: dict[str, Any] = {}
        self.signature_bytes = b""

    def run(self, feeds: Any, fetches: Any) -> list[Any]:
        assert not self.closed
        return []

    def close(self) -> None:
        self.closed = True


def load(name: str, version: int, path: Path) -> FakeModel:
    if not (path / "good").exists():
        raise ServingError(Code.NOT_FOUND, f"nothing at {path.name}")
    return FakeModel(name, version)


def write(base: Path, *versions: int | str) -> None:
    for version in versions:
        (base / str(version)).mkdir(parents=True)
        (base / str(version) / "good").touch()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def manager() -> Iterator[ModelManager]:
    manager = ModelManager(load, poll_seconds=0.02)
    yield manager
    manager.stop()


def states(manager: ModelManager) -> dict[int, State]:
    return {state.version: state.state for state in manager.states.find("m")}


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        (Latest(), {10}),
        (Latest(2), {9, 10}),
        (All(), {2, 9, 10}),
        (Specific(frozenset({2, 5})), {2}),
    ],
)
def test_the_policy_says_which_versions_are_served(
    manager: ModelManager, tmp_path: Path, policy: Policy, served: set[int]
) -> None:
    write(tmp_path, 2, 9, 10, "notes")
    manager.start([ModelConfig("m", tmp_path, policy)])
    assert manager.registry.versions("m") == served


def test_only_numbers_are_versions(tmp_path: Path) -> None:
    write(tmp_path, "00123", "-5", "+7", "1.5", "٣", str(2**63))
    (tmp_path / "8").touch()
    assert find_versions(tmp_path) == {123: tmp_path / "00123"}


def test_a_new_version_takes_over_and_the_old_one_is_freed(
    manager: ModelManager, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    manager.start([ModelConfig("m", tmp_path)])
    write(tmp_path, 2)
    wait_until(lambda: states(manager) == {1: State.END, 2: State.AVAILABLE})
    with manager.registry.use(ModelRequest("m")) as model:
        assert model.version == 2
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 1\)"):
        manager.registry.use(ModelRequest("m", 1)).__enter__()


def test_the_old_version_is_freed_after_its_last_request(
    manager: ModelManager, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    manager.start([ModelConfig("m", tmp_path)])
    with manager.registry.use(ModelRequest("m")) as model:
        write(tmp_path, 2)
        wait_until(lambda: states(manager)[1] == State.UNLOADING)
        time.sleep(0.1)
        model.run({}, [])
        assert states(manager)[1] == State.UNLOADING
    wait_until(lambda: states(manager)[1] == State.END)


def test_a_version_that_cannot_be_loaded_keeps_the_old_one_and_is_tried_again(
    manager: ModelManager, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    manager.start([ModelConfig("m", tmp_path)])
    (tmp_path / "2").mkdir()
    wait_until(lambda: states(manager).get(2) == State.END)
    (failed,) = manager.states.get("m", 2)
    assert (failed.code, failed.message) == (Code.NOT_FOUND, "nothing at 2")
    assert manager.registry.versions("m") == {1}
    (tmp_path / "2" / "good").touch()
    wait_until(lambda: manager.registry.versions("m") == {2})


def test_a_start_falls_back_to_the_highest_version_that_can_be_loaded(
    manager: ModelManager, tmp_path: Path
) -> None:
    write(tmp_path, 1, 2)
    (tmp_path / "3").mkdir()
    manager.start([ModelConfig("m", tmp_path)])
    assert manager.registry.versions("m") == {2}
    (tmp_path / "3" / "good").touch()
    wait_until(lambda: manager.registry.versions("m") == {3})


def test_a_failed_version_is_not_tried_again_while_its_files_stay(tmp_path: Path) -> None:
    tries: list[int] = []

    def count(name: str, version: int, path: Path) -> FakeModel:
        tries.append(version)
        return load(name, version, path)

    manager = ModelManager(count, poll_seconds=0.01)
    write(tmp_path, 1)
    (tmp_path / "2").mkdir()
    manager.start([ModelConfig("m", tmp_path, All())])
    time.sleep(0.2)
    manager.stop()
    assert sorted(tries) == [1, 2]


def test_a_folder_that_vanishes_changes_nothing_but_an_emptied_one_does(
    manager: ModelManager, tmp_path: Path
) -> None:
    write(tmp_path / "base", 1)
    manager.start([ModelConfig("m", tmp_path / "base")])
    (tmp_path / "base").rename(tmp_path / "away")
    time.sleep(0.1)
    assert manager.registry.versions("m") == {1}
    (tmp_path / "base").mkdir()
    wait_until(lambda: manager.registry.versions("m") == frozenset())


@pytest.mark.parametrize("versions", [(), (3,)])
def test_a_start_without_a_model_is_refused(
    manager: ModelManager, tmp_path: Path, versions: tuple[int, ...]
) -> None:
    for version in versions:
        (tmp_path / str(version)).mkdir()
    expected = "version 3: nothing at 3" if versions else "must hold a folder named by a version"
    with pytest.raises(InputError, match=expected):
        manager.start([ModelConfig("m", tmp_path)])


def test_labels_name_served_versions_only(manager: ModelManager, tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    manager.start([ModelConfig("m", tmp_path, All(), {"stable": 1})])
    with manager.registry.use(ModelRequest("m", label="stable")) as model:
        assert model.version == 1
    with pytest.raises(ServingError, match="Unrecognized servable version label: canary"):
        manager.registry.use(ModelRequest("m", label="canary")).__enter__()
    with pytest.raises(ServingError, match="Request to assign label to version 3 of model m"):
        manager.reload([ModelConfig("m", tmp_path, All(), {"stable": 3})])
    manager.reload([ModelConfig("m", tmp_path, All(), {"canary": 2})])
    with manager.registry.use(ModelRequest("m", label="canary")) as model:
        assert model.version == 2


def test_a_reload_adds_and_removes_models(manager: ModelManager, tmp_path: Path) -> None:
    write(tmp_path / "a", 1)
    write(tmp_path / "b", 1)
    manager.start([ModelConfig("a", tmp_path / "a")])
    manager.reload([ModelConfig("b", tmp_path / "b")])
    assert manager.registry.names() == {"b"}
    wait_until(lambda: manager.states.get("a")[0].state == State.END)


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ([("m", "/a"), ("m", "/b")], "Illegal to list model m multiple times in config list"),
        ([("m", "a")], "Expected model m to have an absolute path or URI; got base_path\\(\\)=a"),
        ([("m", "/nowhere")], r"0 model\(s\) did not become available: \{\}"),
    ],
)
def test_a_reload_that_cannot_be_served_is_refused(
    manager: ModelManager, tmp_path: Path, configs: list[tuple[str, str]], message: str
) -> None:
    write(tmp_path, 1)
    manager.start([ModelConfig("old", tmp_path)])
    with pytest.raises(ServingError, match=message):
        manager.reload([ModelConfig(name, Path(path)) for name, path in configs])


def test_no_request_meets_a_freed_model_while_versions_change(
    manager: ModelManager, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    manager.start([ModelConfig("m", tmp_path)])
    stop = threading.Event()
    failures: list[BaseException] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                with manager.registry.use(ModelRequest("m")) as model:
                    model.run({}, [])
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 12):
        write(tmp_path, version)
        wait_until(lambda version=version: manager.registry.versions("m") == {version})  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_links_to_nowhere_in_one_version_stop_no_later_one(
    manager: ModelManager, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    manager.start([ModelConfig("m", tmp_path)])
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "variables").symlink_to(tmp_path)
    (tmp_path / "2" / "saved_model.pb").symlink_to("nowhere")
    wait_until(lambda: states(manager).get(2) == State.END)
    write(tmp_path, 3)
    wait_until(lambda: manager.registry.versions("m") == {3})
