"""What Spark and its Java have to be told, and why."""

from pathlib import Path

# What Spark and Beam reach into; Java 17 has closed it.
_JAVA = "lang lang.invoke lang.reflect io net nio util util.concurrent util.concurrent.atomic"
_SUN = "nio.ch nio.cs security.action util.calendar"
OPENED = tuple(f"java.{name}" for name in _JAVA.split()) + tuple(
    f"sun.{name}" for name in _SUN.split()
)
JAVA_OPTIONS = (
    "-Xmx512m",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
)

# A dead Python worker makes its cached environment, and with it its executor, useless: the
# first failed task has to end the executor, and other executors of the node must be trusted.
EXCLUSION = {
    "spark.excludeOnFailure.enabled": "true",
    "spark.excludeOnFailure.killExcludedExecutors": "true",
    "spark.excludeOnFailure.application.maxFailedTasksPerExecutor": "1",
    "spark.excludeOnFailure.application.maxFailedExecutorsPerNode": "50",
    "spark.excludeOnFailure.stage.maxFailedExecutorsPerNode": "50",
    "spark.excludeOnFailure.task.maxTaskAttemptsPerNode": "7",
    "spark.task.maxFailures": "8",
}


def driver_settings(job_server: Path, java: list[str], memory: str) -> list[str]:
    """Spark's settings of the job server, which is the driver of all jobs, as Java options.

    Args:
        job_server: the jar that executors need, before Spark's own jars.
        java: the options of an executor's Java, whose heap Spark sets itself.
        memory: of an executor, such as `1g`.
    """
    settings = {
        **EXCLUSION,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executor.cores": "1",
        "spark.executor.memory": memory,
        "spark.executor.extraClassPath": str(job_server),
        "spark.executor.extraJavaOptions": " ".join(o for o in java if not o.startswith("-Xm")),
    }
    return [f"-D{name}={value}" for name, value in settings.items()]
