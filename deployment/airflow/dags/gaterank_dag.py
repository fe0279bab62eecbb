"""Airflow's DAGs: one for each `*.airflow.json` beside this file (docs/scheduling.md).

Airflow has an environment of its own (ADR 24): this file imports Airflow and the standard
library, and runs gaterank as a command.
"""

import json
import logging
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)
from airflow.hooks.base import BaseHook
from airflow.models import BaseOperator
from airflow.models.dag import DAG
from airflow.models.param import Param
from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
from airflow.utils.trigger_rule import TriggerRule

sys.path.insert(0, str(Path(__file__).parent))  # the folder of DAGs may be another one

from gaterank_steps import (
    SUFFIX,
    Command,
    Outcome,
    day_of,
    load_graph,
    outcome_of,
    ready_command,
    step_command,
)

_LOG = logging.getLogger("gaterank.alerts")
_SENSOR = "day_is_there"
_YAML = r"^/.+\.ya?ml$"
_POST_SECONDS = 10


class DayIsThere(BaseSensorOperator):
    """Waits until a day's logs, and the feedback for its labels, are there.

    Settles what all components of the run are called with. A run that is cleared gets a new name,
    and does again whatever has changed; a task that is tried again keeps it.
    """

    def __init__(self, *, graph: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.graph = graph

    def poke(self, context: Any) -> PokeReturnValue:
        """Asks `gaterank ready`."""
        params = context["params"]
        day = params["day"] or day_of(context["data_interval_end"], self.graph["days_ahead"])
        code = _run(self.log, ready_command(self.graph, params["config"], day))
        outcome = outcome_of(code)
        if outcome not in (Outcome.DONE, Outcome.NOT_READY):
            raise AirflowException(f"{day}: `gaterank ready` has ended with exit code {code}")
        run_id = f"{context['run_id'][:200]}@{datetime.now(UTC):%Y%m%dT%H%M%S}"
        settled = {"config": params["config"], "day": day, "run_id": run_id}
        return PokeReturnValue(outcome is Outcome.DONE, settled)


class Step(BaseOperator):
    """Runs one component of the pipeline."""

    ui_color = "#e8f0fe"

    def __init__(self, *, graph: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.graph = graph

    def execute(self, context: Any) -> None:
        """Runs `gaterank step`; its exit code decides what becomes of the task."""
        run = context["ti"].xcom_pull(task_ids=_SENSOR)
        if run is None:
            raise AirflowFailException(f"{_SENSOR} must have ended in this run")
        code = _run(self.log, step_command(self.graph, self.task_id, run))
        said = f"{self.task_id}: exit code {code}"
        outcome = outcome_of(code)
        if outcome is Outcome.NOT_PUSHED:
            raise AirflowSkipException(f"{said}, nothing was pushed")
        if outcome is Outcome.FAILED:
            raise AirflowFailException(f"{said}, which no retry mends")
        if outcome is not Outcome.DONE:
            raise AirflowException(said)


def _run(log: logging.Logger, words: list[str]) -> int:
    """Runs a command to its end, or ends it when Airflow ends the task."""
    log.info("%s", words)
    with Command(words) as command:
        for line in command.lines():
            log.info("%s", line)
        code: int = command.wait()
    return code


def report(event: str, alerts: str, context: Any) -> None:
    """A structured line of what has happened to a task, also to the webhook."""
    task = context["ti"]
    post(
        alerts,
        {
            "event": event,
            "dag": task.dag_id,
            "run": task.run_id,
            "task": task.task_id,
            "try": task.try_number,
            "reason": str(context.get("exception") or "")[:1000],
            "log": task.log_url,
        },
    )


def report_late(
    alerts: str, dag: DAG, _tasks: str, _blocking: str, slas: Iterable[Any], *_: Any
) -> None:
    """The same of runs that were not done by their deadline (Airflow calls it an SLA miss).

    Airflow begins with the second run after the last that has succeeded, and counts from the start
    of its data interval: at that time the first one, which is late, was due.
    """
    for sla in slas:
        when = {"due": sla.execution_date.isoformat()}
        post(alerts, {"event": "late", "dag": dag.dag_id, "task": sla.task_id} | when)


def post(alerts: str, record: Mapping[str, Any]) -> None:
    """Logs a record, and posts it if there is a connection; a webhook that fails fails no task."""
    line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), **record})
    _LOG.warning("%s", line)
    try:
        webhook = BaseHook.get_connection(alerts)
    except AirflowNotFoundException:
        return
    if not str(webhook.host).startswith(("https://", "http://")):
        _LOG.error("connection %s: the host must be the whole URL, from http on", alerts)
        return
    headers = {"Content-Type": "application/json"}
    if webhook.password:
        headers["Authorization"] = f"Bearer {webhook.password}"
    request = urllib.request.Request(webhook.host, line.encode(), headers, method="POST")
    try:
        urllib.request.urlopen(request, timeout=_POST_SECONDS).close()
    except OSError as error:
        _LOG.error("connection %s: the webhook cannot be reached: %s", alerts, error)


def make_dag(graph: Mapping[str, Any]) -> DAG:
    """The DAG of a ranker: a sensor for the day, and a task a component.

    Args:
        graph: see `gaterank_steps.load_graph`.
    """
    alerts = graph["alerts"]
    dag = DAG(
        f"gaterank_{graph['ranker']}",
        description=f"{graph['ranker']}: logs of a day in, a blessed ranker out",
        schedule=graph["cron"],
        start_date=datetime.fromisoformat(graph["start_date"]).replace(tzinfo=UTC),
        catchup=graph["catchup"],
        # A day begins from the model of the day before; a workspace runs one component at a time.
        max_active_runs=1,
        max_active_tasks=1,
        params={
            "config": Param(
                graph["config"], type="string", pattern=r"^/.+\.ya?ml$", maxLength=4096
            ),
            "day": Param(None, type=["null", "string"], format="date"),
        },
        default_args={
            "owner": "gaterank",
            "retries": int(graph["retries"]),
            "retry_delay": timedelta(seconds=graph["retry_delay"]),
            "retry_exponential_backoff": True,
            "on_failure_callback": partial(report, "failed", alerts),
            "on_skipped_callback": partial(report, "not_pushed", alerts),
        },
        sla_miss_callback=partial(report_late, alerts),
        tags=["gaterank"],
    )
    sensor = DayIsThere(
        task_id=_SENSOR,
        graph=graph,
        mode="reschedule",
        poke_interval=graph["poll"],
        timeout=graph["wait"],
        dag=dag,
    )
    tasks: dict[str, BaseOperator] = {}
    last = graph["nodes"][-1]["id"]
    pushers = {node["id"] for node in graph["nodes"] if node["pushes"]}
    for node in graph["nodes"]:
        after_push = not pushers.isdisjoint(node["upstream"])
        tasks[node["id"]] = Step(
            task_id=node["id"],
            graph=graph,
            execution_timeout=timedelta(seconds=graph["step_timeout"]),
            sla=timedelta(seconds=graph["deadline"]) if node["id"] == last else None,
            # The report is also for a model that was refused.
            trigger_rule=TriggerRule.NONE_FAILED if after_push else TriggerRule.ALL_SUCCESS,
            dag=dag,
            **({"pool": graph["pool"]} if node["trains"] else {}),
        )
        upstream = [tasks[name] for name in node["upstream"]] or [sensor]
        tasks[node["id"]].set_upstream(upstream)
    return dag


for _path in sorted(Path(__file__).parent.glob(f"*{SUFFIX}")):
    _dag = make_dag(load_graph(_path))
    globals()[_dag.dag_id] = _dag
