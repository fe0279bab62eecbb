"""Airflow's DAGs: one for each `*.airflow.json` beside this file (docs/scheduling.md).

Airflow has an environment of its own (ADR 24): this file imports Airflow and the standard
library, and runs gaterank as a command.
"""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)
from airflow.models import BaseOperator
from airflow.models.dag import DAG
from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
from airflow.utils.trigger_rule import TriggerRule

sys.path.insert(0, str(Path(__file__).parent))  # the folder of DAGs may be another one

from gaterank_reports import asked_day, report, report_late, run_command, settings_of
from gaterank_steps import (
    SUFFIX,
    Outcome,
    load_graph,
    outcome_of,
    ready_command,
    step_command,
)

_SENSOR = "day_is_there"


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
        config, day = context["params"]["config"], asked_day(self.graph, context)
        code = run_command(self.log, ready_command(self.graph, config, day))
        outcome = outcome_of(code)
        if outcome not in (Outcome.DONE, Outcome.NOT_READY):
            raise AirflowException(f"{day}: `gaterank ready` has ended with exit code {code}")
        run_id = f"{context['run_id'][:200]}@{datetime.now(UTC):%Y%m%dT%H%M%S}"
        settled = {"config": config, "day": day, "run_id": run_id}
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
        code = run_command(self.log, step_command(self.graph, self.task_id, run))
        said = f"{self.task_id}: exit code {code}"
        outcome = outcome_of(code)
        if outcome is Outcome.NOT_PUSHED:
            raise AirflowSkipException(f"{said}, nothing was pushed")
        if outcome is Outcome.FAILED:
            raise AirflowFailException(f"{said}, which no retry mends")
        if outcome is not Outcome.DONE:
            raise AirflowException(said)


def make_dag(graph: Mapping[str, Any]) -> DAG:
    """The DAG of a ranker: a sensor for the day, and a task a component.

    Args:
        graph: see `gaterank_steps.load_graph`.
    """
    alerts, settings = graph["alerts"], settings_of(graph)
    settings["default_args"]["on_skipped_callback"] = partial(report, "not_pushed", alerts)
    dag = DAG(
        f"gaterank_{graph['ranker']}",
        description=f"{graph['ranker']}: logs of a day in, a blessed ranker out",
        schedule=graph["cron"],
        catchup=graph["catchup"],
        # One run at a time: a day begins from the model of the day before. One component at a
        # time: a workspace runs no more.
        max_active_tasks=1,
        sla_miss_callback=partial(report_late, alerts),
        **settings,
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
