"""A Spark master and its workers."""

from pathlib import Path
from typing import ClassVar

from deployment.engines.cluster import LOOPBACK, Cluster
from deployment.engines.parts import Recipe
from deployment.engines.spark.settings import JAVA_OPTIONS, driver_settings

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_MEMORY = "1g"
_HERE = ("--host", LOOPBACK, "--port", "0", "--webui-port", "0")


class SparkCluster(Cluster):
    """A Spark standalone cluster; the job server is the driver of its jobs."""

    recipe: ClassVar = Recipe(
        name="spark",
        home="pyspark",
        runner="beam-runners-spark-3",
        main_class="org.apache.beam.runners.spark.SparkJobServerDriver",
    )
    java_options: ClassVar = JAVA_OPTIONS

    def start_master(self) -> str:
        """The master's URL."""
        return self.start_java("master", [_MASTER, *_HERE], r"Spark master at (spark://\S+)")[0]

    def start_worker(self, name: str, master: str) -> None:
        """A worker of one core, whose executors come and go with the jobs."""
        work = str(self.daemons.folder / name)
        size = ["--cores", "1", "--memory", _MEMORY, "--work-dir", work]
        self.start_java(name, [_WORKER, *_HERE, *size, master], "registered with master")

    def job_server_words(self, master: str) -> tuple[list[str], list[str]]:
        """Spark's settings, and where the master is."""
        options = driver_settings(self.parts.job_server, self.own_java_options(), _MEMORY)
        return options, [f"--spark-master-url={master}"]

    def jars(self) -> Path:
        """Spark's."""
        return self.parts.home / "jars"

    def variables(self) -> dict[str, str]:
        """Where Spark is and what it must not leave."""
        return {
            "SPARK_HOME": str(self.parts.home),
            "SPARK_LOCAL_DIRS": str(self.daemons.folder / "local"),
            "SPARK_LOCAL_HOSTNAME": LOOPBACK,
            "SPARK_LOCAL_IP": LOOPBACK,
            # Else a worker looks for it in folders that only a checkout of Spark has.
            "SPARK_SCALA_VERSION": "2.12",
        }
