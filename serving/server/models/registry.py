"""The loaded versions: found by name, version or label, kept while a request uses them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from serving.server.inference.predict import Model
from serving.server.status import Code, ServingError, invalid_argument


class ClosableModel(Model, Protocol):
    """A loaded version that can be freed."""

    def close(self) -> None:
        """Frees it; no call may be running."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Which model a request means.

    Attributes:
        name: of the model.
        version: a version; the latest if neither this nor `label` is given.
        label: of a version.
    """

    name: str
    version: int | None = None
    label: str | None = None


class _Slot:
    """A loaded version and how many requests use it."""

    def __init__(self, model: ClosableModel) -> None:
        self.model = model
        self.users = 0
        self.retired = False


class Registry:
    """All loaded versions.

    Adding a version and taking one away each happen at once for every request: it finds
    the old state or the new one. A version that was taken away is handed to `on_idle`
    after its last request.

    Args:
        on_idle: frees a version; called once for each, also from a request's thread.
    """

    def __init__(self, on_idle: Callable[[ClosableModel], None]) -> None:
        self._on_idle = on_idle
        self._lock = threading.Lock()
        self._slots: dict[str, dict[int, _Slot]] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}

    def add(self, model: ClosableModel) -> None:
        """Serves a version from now on."""
        with self._lock:
            self._slots.setdefault(model.name, {})[model.version] = _Slot(model)

    def retire(self, name: str, version: int) -> None:
        """Takes a version from new requests; running ones finish with it."""
        with self._lock:
            slot = self._slots[name].pop(version)
            if not self._slots[name]:
                del self._slots[name]
            slot.retired = True
            is_idle = slot.users == 0
        if is_idle:
            self._on_idle(slot.model)

    def versions(self, name: str) -> frozenset[int]:
        """The versions of a model that are served."""
        with self._lock:
            return frozenset(self._slots.get(name, ()))

    def names(self) -> frozenset[str]:
        """The models of which at least one version is served."""
        with self._lock:
            return frozenset(self._slots)

    def set_labels(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Replaces all labels: model -> label -> version."""
        with self._lock:
            self._labels = labels

    def labels(self, name: str) -> Mapping[str, int]:
        """Label -> version of a model."""
        with self._lock:
            return self._labels.get(name, {})

    @contextmanager
    def use(self, request: ModelRequest) -> Iterator[Model]:
        """Holds the version that a request means.

        Raises:
            ServingError: if there is no such version or label.
        """
        with self._lock:
            slot = self._find(request)
            slot.users += 1
        try:
            yield slot.model
        finally:
            with self._lock:
                slot.users -= 1
                is_idle = slot.retired and slot.users == 0
            if is_idle:
                self._on_idle(slot.model)

    def _find(self, request: ModelRequest) -> _Slot:
        if not request.name:
            raise invalid_argument("ModelSpec has no name specified.")
        version = request.version
        if request.label is not None:
            version = self._labels.get(request.name, {}).get(request.label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {request.label}")
        slots = self._slots.get(request.name, {})
        slot = slots.get(max(slots, default=-1) if version is None else version)
        if slot is None:
            wanted = (
                f"Latest({request.name})"
                if version is None
                else f"Specific({request.name}, {version})"
            )
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return slot
