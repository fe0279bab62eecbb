"""Re-reads the file that says which models are served."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from serving.server.models.config import ModelConfig
from transforms.errors import GaterankError

Read = Callable[[Path], Sequence[ModelConfig]]
Reload = Callable[[Sequence[ModelConfig]], None]

_logger = logging.getLogger(__name__)


class ConfigWatcher:
    """Serves what a file says, also after it has changed.

    A file that cannot be read or served changes nothing; it is tried again at each look, as
    a label may wait for its version to be loaded.

    Args:
        path: of the file.
        served: what it said when the server started.
        seconds: between two looks at it.
        read: the models that it names.
        reload: serves them from then on.
    """

    def __init__(
        self, path: Path, served: Sequence[ModelConfig], seconds: float, read: Read, reload: Reload
    ) -> None:
        self._path = path
        self._served = tuple(served)
        self._seconds = seconds
        self._read = read
        self._reload = reload
        self._failure = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="config-watcher", daemon=True)

    def start(self) -> None:
        """Looks at the file from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ends once a look that is under way is over."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Reads the file, and serves what it says if that is new; a failure is told once."""
        try:
            configs = tuple(self._read(self._path))
            if configs != self._served:
                self._reload(configs)
        except GaterankError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                _logger.error("%s changes nothing yet: %s", self._path, error)
            return
        self._served, self._failure = configs, ""

    def _watch(self) -> None:
        while not self._stopping.wait(self._seconds):
            self.look()
