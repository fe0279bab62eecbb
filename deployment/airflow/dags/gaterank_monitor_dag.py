"""Airflow's second DAG of a ranker, if its YAML has `monitor.requests` (docs/monitoring.md).

It looks at what was served once a day. At an alarm it tells people, and begins a run of the first
DAG if the YAML says `monitor.retrain`.
"""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.models import BaseOperator
from airflow.models.dag import DAG
from airflow.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sensors.base import BaseSensorOperator, PokeReturnValue

sys.path.insert(0, str(Path(__file__).parent))  # the folder of DAGs may be another one

from gaterank_reports import asked_day, post, run_command, settings_of
from gaterank_steps import (
    SUFFIX,
    Outcome,
    load_graph,
    monitor_command,
    outcome_of,
)

_WATCH = "watch"


class Watch(BaseSensorOperator):
    """Looks at what was served on a day, once its labels can be complete."""

    def __init__(self, *, graph: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.graph = graph

    def poke(self, context: Any) -> PokeReturnValue:
        """Asks `gaterank monitor`; says which day it was, and whether something is an alarm."""
        config, day = context["params"]["config"], asked_day(self.graph, context)
        code = run_command(self.log, monitor_command(self.graph, config, day))
        outcome = outcome_of(code)
        said = f"{day}: `gaterank monitor` has ended with exit code {code}"
        if outcome is Outcome.FAILED:
            raise AirflowFailException(f"{said}, which no retry mends")
        if outcome not in (Outcome.DONE, Outcome.ALARM, Outcome.NOT_READY):
            raise AirflowException(said)
        found = {"config": config, "day": day, "alarm": outcome is Outcome.ALARM}
        return PokeReturnValue(outcome is not Outcome.NOT_READY, found)


class Alarm(BaseOperator):
    """Tells of an alarm; without one this task, and what comes after it, is skipped."""

    ui_color = "#fae9e7"

    def __init__(self, *, alerts: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alerts = alerts

    def execute(self, context: Any) -> None:
        """Reads what `Watch` has found."""
        task = context["ti"]
        found = task.xcom_pull(task_ids=_WATCH)
        if found is None:
            raise AirflowFailException(f"{_WATCH} must have ended in this run")
        if not found["alarm"]:
            raise AirflowSkipException(f"{found['day']}: no alarm")
        about = {"dag": task.dag_id, "run": task.run_id, "day": found["day"]}
        post(self.alerts, {"event": "serving_alarm", **about, "log": task.log_url})


def make_monitor_dag(graph: Mapping[str, Any]) -> DAG:
    """The DAG that watches a ranker.

    Args:
        graph: see `gaterank_steps.load_graph`; with the part `monitor`.
    """
    monitor, alerts = graph["monitor"], graph["alerts"]
    dag = DAG(
        # No ranker's name has a dash in it.
        f"gaterank_{graph['ranker']}-monitor",
        description=f"{graph['ranker']}: is what is served as it was in training?",
        schedule=monitor["cron"],
        # A day is compared with the one before that was looked at.
        catchup=False,
        **settings_of(graph),
    )
    watch = Watch(
        task_id=_WATCH,
        graph=graph,
        mode="reschedule",
        poke_interval=graph["poll"],
        timeout=graph["wait"],
        execution_timeout=timedelta(seconds=graph["step_timeout"]),
        dag=dag,
    )
    alarm = Alarm(task_id="alarm", alerts=alerts, dag=dag)
    alarm.set_upstream(watch)
    if monitor["retrain"]:
        settled = {
            name: f"{{{{ ti.xcom_pull(task_ids='{_WATCH}')['{name}'] }}}}"
            for name in ("config", "day")
        }
        retrain = TriggerDagRunOperator(
            task_id="retrain", trigger_dag_id=f"gaterank_{graph['ranker']}", conf=settled, dag=dag
        )
        retrain.set_upstream(alarm)
    return dag


for _path in sorted(Path(__file__).parent.glob(f"*{SUFFIX}")):
    _graph = load_graph(_path)
    if _graph.get("monitor") is not None:
        _dag = make_monitor_dag(_graph)
        globals()[_dag.dag_id] = _dag
