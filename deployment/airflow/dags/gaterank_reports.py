"""What both of Airflow's DAG files do: settle a run, run a command, tell people of its end."""

import json
import logging
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from airflow.exceptions import AirflowNotFoundException
from airflow.hooks.base import BaseHook
from airflow.models.dag import DAG
from airflow.models.param import Param
from gaterank_steps import CONFIG_PATTERN, Command, day_of

_LOG = logging.getLogger("gaterank.alerts")
_POST_SECONDS = 10


def settings_of(graph: Mapping[str, Any]) -> dict[str, Any]:
    """What both DAGs of a ranker are told: when they begin, what a run may be given, retries.

    Args:
        graph: see `gaterank_steps.load_graph`.
    """
    return {
        "start_date": datetime.fromisoformat(graph["start_date"]).replace(tzinfo=UTC),
        "max_active_runs": 1,
        "params": {
            "config": Param(graph["config"], type="string", pattern=CONFIG_PATTERN, maxLength=4096),
            "day": Param(None, type=["null", "string"], format="date"),
        },
        "default_args": {
            "owner": "gaterank",
            "retries": int(graph["retries"]),
            "retry_delay": timedelta(seconds=graph["retry_delay"]),
            "retry_exponential_backoff": True,
            "on_failure_callback": partial(report, "failed", graph["alerts"]),
        },
        "tags": ["gaterank"],
    }


def asked_day(graph: Mapping[str, Any], context: Any) -> str:
    """The day that a run was given, or else the one that it is due for."""
    given: str | None = context["params"]["day"]
    return given or day_of(context["data_interval_end"], graph["days_ahead"])


def run_command(log: logging.Logger, words: list[str]) -> int:
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
