"""Keeps the served versions equal to what lies in the models' folders.

A new version is loaded and warmed in the background while the old one answers; the old
one is taken away only once a new one is there, and freed after its last request. A version
that cannot be loaded is tried again when its files change.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from serving.server.models.config import (
    Latest,
    ModelConfig,
    check_configs,
    choose_versions,
    find_versions,
)
from serving.server.models.registry import ClosableModel, Registry
from serving.server.models.states import State, StateBoard
from serving.server.status import Code, ServingError
from transforms.errors import ConfigError, InputError
from transforms.saved_model import EXTRA_FOLDER

Load = Callable[[str, int, Path], ClosableModel]
Fingerprint = tuple[tuple[str, int, int], ...]

_logger = logging.getLogger(__name__)
_FOLDERS = (".", "variables", "assets", EXTRA_FOLDER)


class ModelManager:
    """Loads, swaps and unloads versions of models.

    Args:
        load: loads and warms a version, given name, version and folder; raises
            ServingError if it cannot.
        poll_seconds: how often the folders are looked at.
        allow_labels_for_unavailable: whether a new label may name a version that is not
            served yet.
    """

    def __init__(
        self, load: Load, poll_seconds: float, allow_labels_for_unavailable: bool = False
    ) -> None:
        self.states = StateBoard()
        self._idle: queue.SimpleQueue[ClosableModel] = queue.SimpleQueue()
        self.registry = Registry(self._idle.put)
        self._load = load
        self._poll_seconds = poll_seconds
        self._allow_labels_for_unavailable = allow_labels_for_unavailable
        self._configs: tuple[ModelConfig, ...] = ()
        self._failed: dict[tuple[str, int], Fingerprint] = {}
        self._updating = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-manager", daemon=True)

    def start(self, configs: Sequence[ModelConfig]) -> None:
        """Loads the models and watches their folders from then on.

        Raises:
            InputError: if a model has no version that can be loaded, or a label's version is
                not among them.
            ConfigError: if the configurations contradict each other.
        """
        try:
            check_configs(configs)
        except ServingError as error:
            raise ConfigError(error.message) from None
        with self._updating:
            self._configs = tuple(configs)
            self._update()
        for config in configs:
            if not self.registry.versions(config.name):
                raise InputError(self._explain(config))
        try:
            self._set_labels(configs)
        except ServingError as error:
            raise InputError(error.message) from None
        self._thread.start()

    def missing(self) -> list[str]:
        """The models that should be served and of which no version is."""
        return [c.name for c in self._configs if not self.registry.versions(c.name)]

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Serves these models from now on; returns once the new ones can be used.

        Raises:
            ServingError: if the configurations contradict each other, a label names a
                version that is not served, or a new model cannot be loaded.
        """
        check_configs(configs)
        with self._updating:
            known = {config.name for config in self._configs}
            self._configs = tuple(configs)
            self._set_labels(configs)
            self._update()
        self._check_available([config for config in configs if config.name not in known])

    def stop(self) -> None:
        """Frees all models; no request may come any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._updating:
            self._configs = ()
            self._update()
        self._free_idle()

    def _watch(self) -> None:
        next_poll = time.monotonic() + self._poll_seconds
        while not self._stopping.is_set():
            self._free_idle()
            if time.monotonic() >= next_poll:
                with self._updating:
                    self._update()
                next_poll = time.monotonic() + self._poll_seconds
            self._stopping.wait(min(self._poll_seconds, 0.1))

    def _free_idle(self) -> None:
        while not self._idle.empty():
            model = self._idle.get()
            model.close()
            self.states.set(model.name, model.version, State.END)
            _logger.info("unloaded model %s version %d", model.name, model.version)

    def _update(self) -> None:
        configured = {config.name for config in self._configs}
        for name in self.registry.names() - configured:
            self._retire(name, self.registry.versions(name))
        for config in self._configs:
            try:
                versions = find_versions(config.base_path)
            except OSError as error:
                _logger.warning("model %s: %s", config.name, error)
                continue
            self._update_model(config, versions)

    def _update_model(self, config: ModelConfig, versions: dict[int, Path]) -> None:
        wanted = choose_versions(config.policy, versions)
        for version in sorted(wanted - self.registry.versions(config.name), reverse=True):
            self._try_load(config.name, version, versions[version])
        if isinstance(config.policy, Latest):
            self._fall_back(config.name, versions)
        served = self.registry.versions(config.name)
        if not wanted or served & wanted:
            self._retire(config.name, served - wanted)

    def _fall_back(self, name: str, versions: dict[int, Path]) -> None:
        """Serves the highest version that can be loaded if nothing is served."""
        for version in sorted(versions, reverse=True):
            if self.registry.versions(name):
                return
            self._try_load(name, version, versions[version])

    def _try_load(self, name: str, version: int, path: Path) -> None:
        """Loads a version, unless it could not be loaded and its files are still the same."""
        fingerprint = _fingerprint(path)
        if self._failed.get((name, version)) == fingerprint:
            return
        self.states.set(name, version, State.LOADING)
        try:
            model = self._load(name, version, path)
        except ServingError as error:
            self._failed[name, version] = fingerprint
            self.states.set(name, version, State.END, error)
            _logger.error("model %s version %d was not loaded: %s", name, version, error)
            return
        self._failed.pop((name, version), None)
        self.states.set(name, version, State.AVAILABLE)
        self.registry.add(model)
        _logger.info("serving model %s version %d", name, version)

    def _retire(self, name: str, versions: Iterable[int]) -> None:
        for version in versions:
            self.states.set(name, version, State.UNLOADING)
            self.registry.retire(name, version)

    def _set_labels(self, configs: Sequence[ModelConfig]) -> None:
        for config in configs:
            served = self.registry.versions(config.name)
            before = self.registry.labels(config.name)
            for label, version in config.labels.items():
                is_new = before.get(label, version) == version
                if version not in served and not (self._allow_labels_for_unavailable and is_new):
                    raise ServingError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference",
                    )
        self.registry.set_labels({config.name: dict(config.labels) for config in configs})

    def _check_available(self, configs: Sequence[ModelConfig]) -> None:
        missing = [config for config in configs if not self.registry.versions(config.name)]
        if not missing:
            return
        failures = [
            f"{{{{name: {config.name} version: {state.version}}} "
            f"due to error: {state.code.name}: {state.message}}}, "
            for config in missing
            for state in self.states.find(config.name)
        ]
        raise ServingError(
            Code.UNKNOWN,
            f"{len(failures)} model(s) did not become available: {{{''.join(failures)}}}",
        )

    def _explain(self, config: ModelConfig) -> str:
        states = self.states.find(config.name)
        if not states:
            return f"{config.base_path}: must hold a folder named by a version number"
        reasons = "; ".join(f"version {s.version}: {s.message}" for s in states)
        return f"model {config.name} cannot be loaded: {reasons}"


def _fingerprint(path: Path) -> Fingerprint:
    """What changes when the files of a version do; they may go, or lead nowhere, meanwhile."""
    found = []
    for folder in _FOLDERS:
        with suppress(OSError):
            for file in (path / folder).iterdir():
                with suppress(OSError):
                    stat = file.stat()
                    found.append((str(file), stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(found))
