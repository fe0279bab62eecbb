"""A file of models that is read again while they are served; no TensorFlow here."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.server.models.config import ModelConfig
from serving.server.models.config_watch import ConfigWatcher
from serving.server.settings.model_configs import read_config_file
from serving.server.status import Code, ServingError

PATH = Path("models.config")


class Served:
    """What a server was told to serve, and a reason to refuse it."""

    def __init__(self) -> None:
        self.reloads: list[Sequence[ModelConfig]] = []
        self.refusal: ServingError | None = None

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.reloads.append(configs)


def write(path: Path, *names: str) -> None:
    models = (
        f'config {{ name: "{name}" base_path: "/{name}" model_platform: "tensorflow" }}'
        for name in names
    )
    path.write_text(f"model_config_list {{ {' '.join(models)} }}")


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def watcher(tmp_path: Path, served: Served) -> ConfigWatcher:
    write(tmp_path / PATH, "a")
    configs = read_config_file(tmp_path / PATH)
    return ConfigWatcher(tmp_path / PATH, configs, 0.01, read_config_file, served.reload)


def test_only_a_change_is_served(watcher: ConfigWatcher, served: Served, tmp_path: Path) -> None:
    watcher.look()
    assert served.reloads == []
    write(tmp_path / PATH, "a", "b")
    watcher.look()
    watcher.look()
    assert [[config.name for config in configs] for configs in served.reloads] == [["a", "b"]]


def test_a_broken_file_changes_nothing_and_is_told_once(
    watcher: ConfigWatcher, served: Served, tmp_path: Path, caplog: Any
) -> None:
    (tmp_path / PATH).write_text("")
    with caplog.at_level(logging.ERROR):
        watcher.look()
        watcher.look()
    assert served.reloads == []
    assert len(caplog.records) == 1
    assert "must hold a model_config_list" in caplog.text


def test_what_cannot_be_served_yet_is_tried_again(
    watcher: ConfigWatcher, served: Served, tmp_path: Path
) -> None:
    write(tmp_path / PATH, "b")
    served.refusal = ServingError(Code.FAILED_PRECONDITION, "not loaded yet")
    watcher.look()
    served.refusal = None
    watcher.look()
    assert len(served.reloads) == 1


def test_the_file_is_looked_at_until_the_watcher_stops(
    watcher: ConfigWatcher, served: Served, tmp_path: Path
) -> None:
    watcher.start()
    write(tmp_path / "new", "b")
    (tmp_path / "new").replace(tmp_path / PATH)
    deadline = time.monotonic() + 5
    while not served.reloads:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    watcher.stop()
    write(tmp_path / PATH, "c")
    time.sleep(0.05)
    assert len(served.reloads) == 1
