"""A Spark master, its workers and Beam's job server, as daemons on loopback."""

from pathlib import Path
from typing import Any, Self

from deployment.engines.daemons import Daemons
from deployment.engines.parts import ROOT, SPARK, Parts, find_java
from deployment.engines.spark.settings import driver_settings, java_options

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_JOB_SERVER = "org.apache.beam.runners.spark.SparkJobServerDriver"
_LOOPBACK = "127.0.0.1"
_HEAP = "-Xmx512m"
_CACHE_MILLISECONDS = 300_000


class SparkCluster:
    """A cluster that runs as long as the block.

    Args:
        parts: what it is made of.
        folder: of its logs, processes and shuffled data.
        workers: how many, of one core each.
        memory: of each worker.
    """

    def __init__(self, parts: Parts, folder: Path, workers: int = 2, memory: str = "1g") -> None:
        self.daemons = Daemons(folder)
        self._parts = parts
        self._workers = workers
        self._memory = memory
        self._program = find_java()
        self._java = java_options(SPARK / "log4j2.properties")
        self.job_endpoint = ""

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
        here = ["--host", _LOOPBACK, "--port", "0", "--webui-port", "0"]
        ready = r"Starting Spark master at (spark://\S+)"
        master = self._start("master", [_MASTER, *here], ready)
        for number in range(1, self._workers + 1):
            work = str(self.daemons.folder / f"work-{number}")
            size = ["--cores", "1", "--memory", self._memory, "--work-dir", work]
            command = [_WORKER, *here, *size, master]
            self._start(f"worker-{number}", command, r"(registered) with master")
        self.job_endpoint = self._start_job_server(master).replace("localhost", _LOOPBACK)

    def section(self) -> dict[str, Any]:
        """The `beam` section of a YAML that runs on this cluster."""
        return {
            "runner": "spark",
            "job_endpoint": self.job_endpoint,
            "environment": {
                "kind": "process",
                "command": str(self._parts.boot),
                "variables": {"PYTHONPATH": str(ROOT)},
            },
            "options": {
                # Without a cache Python starts again at nearly every stage.
                "environment_cache_millis": _CACHE_MILLISECONDS,
                # Workers have the runner on their class path; unsaid, Beam would copy 253 jars.
                "files_to_stage": str(self._parts.no_code),
                "semi_persist_dir": str(self.daemons.folder),
            },
        }

    def _start_job_server(self, master: str) -> str:
        artifacts = self.daemons.folder / "artifacts"
        settings = driver_settings(self._parts.job_server, self._java, self._memory)
        ports = ["--job-port=0", "--artifact-port=0", "--expansion-port=0"]
        places = [f"--artifacts-dir={artifacts}", f"--spark-master-url={master}"]
        command = [*settings, _JOB_SERVER, f"--job-host={_LOOPBACK}", *ports, *places]
        return self._start("job-server", command, r"JobService started on (\S+)")

    def _start(self, name: str, command: list[str], ready: str) -> str:
        jars = f"{self._parts.job_server}:" if name == "job-server" else ""
        class_path = f"{jars}{self._parts.spark_home / 'jars' / '*'}"
        java = [self._program, _HEAP, *self._java, "-cp", class_path]
        variables = {
            "SPARK_HOME": str(self._parts.spark_home),
            "SPARK_LOCAL_DIRS": str(self.daemons.folder / "local"),
            "SPARK_LOCAL_HOSTNAME": _LOOPBACK,
            "SPARK_LOCAL_IP": _LOOPBACK,
            # Else a worker looks for it in folders that only a checkout of Spark has.
            "SPARK_SCALA_VERSION": "2.12",
        }
        return self.daemons.start(name, [*java, *command], variables, ready)[1]
