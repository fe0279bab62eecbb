"""A Flink session cluster."""

from pathlib import Path
from typing import Any, ClassVar

from deployment.engines.cluster import Cluster
from deployment.engines.flink.settings import JAVA_OPTIONS, MASTER, WORKER, as_words
from deployment.engines.parts import Recipe

_MASTER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_WORKER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_MASTER_READY = (
    r"(?s)Actor system started at akka\.tcp://flink@[^:\s]+:(\d+)"
    r".*Rest endpoint listening at (\S+)"
)


class FlinkCluster(Cluster):
    """A job manager and its task managers, of one slot each."""

    recipe: ClassVar = Recipe(
        name="flink",
        home="pyflink",
        runner="beam-runners-flink-1.16",
        main_class="org.apache.beam.runners.flink.FlinkJobServerDriver",
    )
    java_options: ClassVar = JAVA_OPTIONS
    options: ClassVar[dict[str, Any]] = {"parallelism": 2}
    # A job that has lost a slot waits for another one.
    enough_workers: ClassVar = 3

    def start_master(self) -> str:
        """The port of workers and the address of jobs, as one word."""
        return " ".join(self._start("master", _MASTER, MASTER, _MASTER_READY))

    def start_worker(self, name: str, master: str) -> None:
        """A task manager."""
        port, _ = master.split()
        settings = {
            **WORKER,
            "jobmanager.rpc.address": MASTER["jobmanager.rpc.address"],
            "jobmanager.rpc.port": port,
        }
        self._start(name, _WORKER, settings, "Successful registration at resource manager")

    def job_server_words(self, master: str) -> tuple[list[str], list[str]]:
        """Where jobs go."""
        _, address = master.split()
        return [], [f"--flink-master={address}", f"--flink-conf-dir={self._settings_folder()}"]

    def jars(self) -> Path:
        """Flink's."""
        return self.parts.home / "lib"

    def variables(self) -> dict[str, str]:
        """Flink would look for its folder elsewhere."""
        return {"FLINK_CONF_DIR": str(self._settings_folder())}

    def _start(
        self, name: str, main_class: str, settings: dict[str, str], ready: str
    ) -> tuple[str, ...]:
        local = self.daemons.folder / "local"
        local.mkdir(exist_ok=True)
        settings = {**settings, "io.tmp.dirs": str(local)}
        words = ["--configDir", str(self._settings_folder()), *as_words(settings)]
        return self.start_java(name, [main_class, *words], ready)

    def _settings_folder(self) -> Path:
        """Flink wants a file of settings, even an empty one."""
        folder = self.daemons.folder / "settings"
        folder.mkdir(exist_ok=True)
        (folder / "flink-conf.yaml").touch()
        return folder
