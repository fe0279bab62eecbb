"""An engine on loopback: a master, workers and Beam's job server, as daemons."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from deployment.engines.daemons import Daemons
from deployment.engines.parts import HERE, ROOT, Parts, Recipe, find_java

LOOPBACK = "127.0.0.1"
WORKER = "worker-{}"
_CACHE_MILLISECONDS = 300_000


class Cluster(ABC):
    """A cluster that runs as long as the block.

    Args:
        parts: what it is made of.
        folder: of its logs, processes and shuffled data.
        workers: how many, of one core each; by default `enough_workers`.
    """

    recipe: ClassVar[Recipe]
    java_options: ClassVar[tuple[str, ...]]
    options: ClassVar[Mapping[str, Any]] = {}
    """Of a job's `beam.options`, what only this engine has."""
    enough_workers: ClassVar[int] = 2
    """How many are needed for a job to go on when one of them is lost."""

    def __init__(self, parts: Parts, folder: Path, workers: int | None = None) -> None:
        self.parts = parts
        self.daemons = Daemons(folder)
        self.workers = workers or self.enough_workers
        self.job_endpoint = ""
        self._program = find_java()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.daemons.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.daemons.stop()

    def start(self) -> None:
        """Starts master, workers and job server, one after the other.

        Raises:
            GaterankError: if one does not get ready.
        """
        self.daemons.stop()
        master = self.start_master()
        for number in range(1, self.workers + 1):
            self.start_worker(WORKER.format(number), master)
        endpoint = self.start_job_server(master)
        self.job_endpoint = endpoint.replace("localhost", LOOPBACK)

    @abstractmethod
    def start_master(self) -> str:
        """Starts the master; gives what workers and job server are told of it."""

    @abstractmethod
    def start_worker(self, name: str, master: str) -> None:
        """Starts a worker."""

    @abstractmethod
    def job_server_words(self, master: str) -> tuple[list[str], list[str]]:
        """What the job server is told: options of its Java, arguments."""

    def start_job_server(self, master: str) -> str:
        """Starts the job server; gives its host and port."""
        options, arguments = self.job_server_words(master)
        places = [f"--artifacts-dir={self.daemons.folder / 'artifacts'}", f"--job-host={LOOPBACK}"]
        ports = ["--job-port=0", "--artifact-port=0", "--expansion-port=0"]
        words = [*options, self.recipe.main_class, *places, *ports, *arguments]
        return self.start_java("job-server", words, r"JobService started on (\S+)")[0]

    def start_java(self, name: str, words: Sequence[str], ready: str) -> tuple[str, ...]:
        """Starts a Java with the job server before the engine's own jars.

        Args:
            name: of the daemon.
            words: options, class and arguments.
            ready: a regular expression.

        Returns:
            The groups of `ready`, as the log has them.
        """
        class_path = f"{self.parts.job_server}:{self.jars() / '*'}"
        java = [self._program, *self.own_java_options(), "-cp", class_path]
        found = self.daemons.start(name, [*java, *words], self.variables(), ready)
        return found.groups()

    def own_java_options(self) -> list[str]:
        """The options of every Java: what the engine needs, and where it logs to."""
        settings = (HERE / "log4j2.properties").as_uri()
        return [
            *self.java_options,
            f"-Dlog4j2.configurationFile={settings}",
            f"-Dlog4j.configurationFile={settings}",
        ]

    @abstractmethod
    def jars(self) -> Path:
        """The folder of the engine's jars."""

    def variables(self) -> dict[str, str]:
        """The environment variables of every daemon."""
        return {}

    def section(self) -> dict[str, Any]:
        """The `beam` section of a YAML that runs on this cluster."""
        return {
            "runner": self.recipe.name,
            "job_endpoint": self.job_endpoint,
            "environment": {
                "kind": "process",
                "command": str(self.parts.boot),
                "variables": {"PYTHONPATH": str(ROOT)},
            },
            "options": {
                # Without a cache Python starts again at nearly every stage.
                "environment_cache_millis": _CACHE_MILLISECONDS,
                # Workers have the runner on their class path; unsaid, Beam would copy all jars.
                "files_to_stage": str(self.parts.no_code),
                "semi_persist_dir": str(self.daemons.folder),
                **self.options,
            },
        }
