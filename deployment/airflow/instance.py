"""An Airflow on loopback: SQLite, one task at a time, everything below one folder."""

import json
import os
import secrets
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from deployment.engines.daemons import Daemons
from transforms.errors import GaterankError

DAGS = Path(__file__).resolve().parent / "dags"
_ENDED = ("success", "failed")


class Instance:
    """Airflow for trying things: a home, a scheduler, perhaps a web server.

    Args:
        folder: of the home, the DAGs, the logs and the processes' marks.
        bin_folder: of the environment that has Airflow.
        variables: environment variables besides, such as settings.
    """

    def __init__(
        self, folder: Path, bin_folder: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder.resolve()
        self.dags = self.folder / "dags"
        self.daemons = Daemons(self.folder / "processes")
        self._bin = bin_folder.resolve()
        self._database = self.folder / "airflow.db"
        self.variables = {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._database}",
            "AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY": "True",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__USAGE_DATA_COLLECTION_ENABLED": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__WEBSERVER__SECRET_KEY": secrets.token_urlsafe(24),
            "PATH": os.pathsep.join([str(self._bin), os.environ.get("PATH", "")]),
            **(variables or {}),
        }

    def prepare(self, document: Mapping[str, object], pool_slots: int = 1) -> None:
        """Makes the database and the pool, and puts the DAG file and a graph in their place.

        Args:
            document: of `pipeline.graph.airflow_document`.
            pool_slots: of the trainers' pool.
        """
        self.dags.mkdir(parents=True, exist_ok=True)
        for path in DAGS.glob("*.py"):
            (self.dags / path.name).write_bytes(path.read_bytes())
        (self.dags / f"{document['ranker']}.airflow.json").write_text(json.dumps(document))
        self.airflow("db", "migrate")
        self.airflow("pools", "set", str(document["pool"]), str(pool_slots), "trainers")
        self.airflow("dags", "reserialize")

    def airflow(self, *words: str) -> str:
        """Runs a command of Airflow's.

        Raises:
            GaterankError: with what it printed, if it fails.
        """
        done = subprocess.run(
            [str(self._bin / "airflow"), *words],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = f"{done.stdout}{done.stderr}"[-3000:]
            raise GaterankError(f"airflow {' '.join(words[:2])}: {said}")
        return done.stdout

    def start_scheduler(self) -> None:
        """Starts the scheduler; tasks are its children."""
        command = [str(self._bin / "airflow"), "scheduler", "--skip-serve-logs"]
        self.daemons.start("scheduler", command, self.variables, "Launched DagFileProcessorManager")

    def start_web_server(self, port: int) -> str:
        """Starts the web server on loopback, with a user `admin`; gives the password."""
        password = secrets.token_urlsafe(12)
        person = ["--firstname", "Demo", "--lastname", "Admin", "--email", "admin@example.org"]
        user = ["--username", "admin", "--role", "Admin", "--password", password]
        self.airflow("users", "create", *user, *person)
        command = [str(self._bin / "airflow"), "webserver", "--hostname", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1"]
        self.daemons.start("webserver", command, self.variables, "Listening at: http")
        return password

    def runs(self, dag: str) -> dict[str, str]:
        """Run -> its state, in the order of their intervals."""
        query = "select run_id, state from dag_run where dag_id = ? order by data_interval_end"
        return dict(self._read(query, dag))

    def tasks(self, dag: str, run: str) -> dict[str, str]:
        """Task -> its state."""
        query = "select task_id, state from task_instance where dag_id = ? and run_id = ?"
        return dict(self._read(query, dag, run))

    def tries(self, dag: str, run: str) -> dict[str, int]:
        """Task -> how often it was tried."""
        query = "select task_id, try_number from task_instance where dag_id = ? and run_id = ?"
        return {task: int(count) for task, count in self._read(query, dag, run)}

    def ended(self, dag: str) -> dict[str, str]:
        """The runs that have ended."""
        return {run: state for run, state in self.runs(dag).items() if state in _ENDED}

    def _read(self, query: str, *values: str) -> list[tuple[str, str]]:
        uri = f"file:{self._database}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
            return database.execute(query, values).fetchall()
