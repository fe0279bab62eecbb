"""What became of every version that was ever found: the answer of the status API."""

import threading
from dataclasses import dataclass
from enum import IntEnum

from serving.server.status import Code, ServingError


class State(IntEnum):
    """Where a version is in its life; the numbers are those of the API."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class VersionState:
    """The state of one version.

    Attributes:
        version: its number.
        state: where it is; `END` with an error is a version that could not be loaded.
        code: OK, or why it could not be loaded.
        message: the same in words.
    """

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


class StateBoard:
    """The states of all versions of all models."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, dict[int, VersionState]] = {}

    def set(self, name: str, version: int, state: State, error: ServingError | None = None) -> None:
        """Notes a version's state, with the error that ended it."""
        code, message = (Code.OK, "") if error is None else (error.code, error.message)
        with self._lock:
            versions = self._states.setdefault(name, {})
            versions[version] = VersionState(version, state, code, message)

    def get(self, name: str, version: int | None = None) -> list[VersionState]:
        """The states of a model's versions, the latest first.

        Args:
            name: of the model.
            version: only this one.

        Raises:
            ServingError: NOT_FOUND if none is known.
        """
        states = self.find(name)
        if version is not None:
            states = [state for state in states if state.version == version]
            missing = f"version {version}"
        else:
            missing = "any versions"
        if not states:
            raise ServingError(Code.NOT_FOUND, f"Could not find {missing} of model {name}")
        return states

    def find(self, name: str) -> list[VersionState]:
        """The states of a model's versions, the latest first; empty if none is known."""
        with self._lock:
            states = list(self._states.get(name, {}).values())
        return sorted(states, key=lambda state: state.version, reverse=True)
