"""The DAG as Airflow reads it, where `make airflow-demo` has made Airflow's environment."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployment.airflow.instance import DAGS
from pipeline.config import load_config
from pipeline.graph import airflow_document, pipeline_graph
from tests.pipeline.tiny import tiny_document

PYTHON = Path(__file__).resolve().parents[2] / "build" / "airflow" / "venv" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="`make airflow-demo` was not run")
DESCRIBE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from gaterank_dag import gaterank_demo as dag
tasks = {
    task.task_id: {
        "upstream": sorted(task.upstream_task_ids),
        "pool": task.pool,
        "rule": str(task.trigger_rule),
        "sla": task.sla is not None,
        "retries": task.retries,
    }
    for task in dag.tasks
}
about = {"runs": dag.max_active_runs, "start": dag.start_date.isoformat(), "catchup": dag.catchup}
print("\\n" + json.dumps({"tasks": tasks, **about}))
"""
WATCHED = """
import json, logging, sys
from datetime import datetime, timezone
sys.path.insert(0, sys.argv[1])
import gaterank_monitor_dag
from airflow.exceptions import AirflowException
(dag,) = (one for name, one in vars(gaterank_monitor_dag).items() if name.startswith("gaterank_d"))
watch, alarm, retrain = dag.tasks
ends = {}
for code in (0, 2, 6, 7, 10):
    watch.graph["gaterank"] = [sys.executable, "-c", f"raise SystemExit({code})"]
    params = {"config": "/srv/demo.yaml", "day": None}
    end = datetime(2026, 1, 9, 8, tzinfo=timezone.utc)
    try:
        found = watch.poke({"params": params, "data_interval_end": end})
        ends[code] = [bool(found), found.xcom_value]
    except AirflowException as error:
        ends[code] = type(error).__name__
class Instance:
    dag_id, run_id, log_url = "demo", "run", "http://log"
    def xcom_pull(self, task_ids): return self.found
told = []
gaterank_monitor_dag.post = lambda alerts, record: told.append([alerts, record])
outcomes = []
for is_alarm in (False, True):
    ti = Instance()
    ti.found = {"day": "2026-01-06", "alarm": is_alarm}
    try:
        alarm.execute({"ti": ti})
        outcomes.append("told")
    except AirflowException as error:
        outcomes.append(type(error).__name__)
arrows = {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}
about = {"id": dag.dag_id, "cron": dag.schedule_interval, "catchup": dag.catchup}
about |= {"triggers": retrain.trigger_dag_id, "conf": retrain.conf, "mode": watch.mode}
about |= {"arrows": arrows, "ends": ends, "told": told, "outcomes": outcomes}
print("\\n" + json.dumps(about))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny ranker with a schedule, compiled beside a copy of the DAG file."""
    folder = tmp_path_factory.mktemp("dag")
    document = tiny_document(schedule={"start": "2026-01-06", "retries": 3, "pool": "gpu"})
    document["logs"]["spans"] = {"window": 2}
    document["training"]["base"] = "latest_blessed"
    document["monitor"] = {"requests": "/srv/served", "cron": "30 9 * * *", "retrain": True}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(document))
    config = load_config(folder / "tiny.yaml")
    compiled = airflow_document(config, folder / "tiny.yaml", ["gaterank"], folder / "w", "/logs")
    (folder / "demo.airflow.json").write_text(json.dumps(compiled))
    for path in DAGS.glob("*.py"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def dag(folder: Path) -> dict[str, Any]:
    return ask_airflow(DESCRIBE, folder)


@pytest.fixture(scope="module")
def monitor_dag(folder: Path) -> dict[str, Any]:
    return ask_airflow(WATCHED, folder)


def ask_airflow(program: str, folder: Path) -> dict[str, Any]:
    """What a program prints that Airflow's own environment runs."""
    variables = {**os.environ, "AIRFLOW_HOME": str(folder / "home"), "PYTHONPATH": ""}
    words = [str(PYTHON), "-W", "ignore", "-c", program, str(folder)]
    done = subprocess.run(words, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    described: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return described


def test_the_dag_has_a_task_a_component_with_the_pipelines_own_arrows(dag, folder):
    nodes = pipeline_graph(load_config(folder / "tiny.yaml"))
    expected = {node.id: sorted(node.upstream) or ["day_is_there"] for node in nodes}
    found = {name: task["upstream"] for name, task in dag["tasks"].items()}
    assert found == expected | {"day_is_there": []}


def test_trainers_take_a_slot_of_their_pool_and_the_report_does_not_need_a_push(dag):
    tasks = dag["tasks"]
    assert {name for name, task in tasks.items() if task["pool"] == "gpu"} == {
        "CandidateTrainer",
        "BaselineTrainer",
    }
    assert [name for name, task in tasks.items() if task["rule"] == "none_failed"] == [
        "ReportGates"
    ]
    assert [name for name, task in tasks.items() if task["sla"]] == ["ReportGates"]
    assert {task["retries"] for task in tasks.values()} == {3}


def test_days_go_one_after_the_other_from_the_first_whose_labels_are_complete(dag):
    assert (dag["runs"], dag["catchup"]) == (1, True)
    assert dag["start"] == "2026-01-08T00:00:00+00:00"


def test_what_is_served_is_watched_by_a_dag_of_its_own(monitor_dag):
    assert (monitor_dag["id"], monitor_dag["cron"]) == ("gaterank_demo-monitor", "30 9 * * *")
    assert monitor_dag["arrows"] == {"watch": [], "alarm": ["watch"], "retrain": ["alarm"]}
    assert monitor_dag["catchup"] is False and monitor_dag["mode"] == "reschedule"


def test_an_alarm_is_told_and_its_day_trained_on(monitor_dag):
    assert monitor_dag["outcomes"] == ["AirflowSkipException", "told"]
    ((alerts, record),) = monitor_dag["told"]
    assert alerts == "gaterank_alerts"
    assert (record["event"], record["day"]) == ("serving_alarm", "2026-01-06")
    assert monitor_dag["triggers"] == "gaterank_demo"
    assert monitor_dag["conf"]["day"] == "{{ ti.xcom_pull(task_ids='watch')['day'] }}"


def test_the_exit_code_of_the_monitoring_decides(monitor_dag):
    found = {"config": "/srv/demo.yaml", "day": "2026-01-06"}
    assert monitor_dag["ends"] == {
        "0": [True, found | {"alarm": False}],
        "2": "AirflowFailException",
        "6": "AirflowException",
        "7": [False, found | {"alarm": False}],
        "10": [True, found | {"alarm": True}],
    }
