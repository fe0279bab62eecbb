"""The pipeline as a graph: what an orchestrator's own description of it is generated from."""

from pathlib import Path
from typing import Any, NamedTuple

from tfx.dsl.compiler import compiler
from tfx.proto.orchestration import pipeline_pb2

from pipeline.config import RankerConfig
from pipeline.create_pipeline import create_pipeline
from pipeline.places import Places
from pipeline.schedule import Schedule
from transforms.errors import ConfigError
from transforms.rolling.inputs import spans_ahead
from transforms.spans.days import date_of, span_of
from transforms.storage import is_uri

FORMAT = 1
"""Of the document; whoever reads it refuses another one."""

_TRAINING = ("Trainer", "Tuner")


class Node(NamedTuple):
    """A component of the pipeline.

    Attributes:
        id: its name.
        upstream: the components that must have ended before it.
        trains: whether it trains a model.
        pushes: whether it is the one that pushes.
    """

    id: str
    upstream: tuple[str, ...]
    trains: bool
    pushes: bool


def compile_pipeline(
    config: RankerConfig, places: Places, beam_args: list[str], span: int | None = None
) -> pipeline_pb2.Pipeline:
    """TFX's intermediate representation of `create_pipeline`; see there for the arguments."""
    compiled: pipeline_pb2.Pipeline = compiler.Compiler().compile(
        create_pipeline(config, places, beam_args, span)
    )
    return compiled


def pipeline_graph(config: RankerConfig) -> list[Node]:
    """The components in an order in which they can run.

    Args:
        config: the whole YAML.
    """
    places = Places.below(Path("nowhere"), config.name, "nowhere")
    return [_node(one.pipeline_node) for one in compile_pipeline(config, places, []).nodes]


def airflow_document(
    config: RankerConfig, yaml: Path, gaterank: list[str], workspace: Path, logs: str
) -> dict[str, Any]:
    """What the DAG file reads: the graph, the schedule, and the commands' arguments.

    Args:
        config: the whole YAML.
        yaml: its file.
        gaterank: the command, as words.
        workspace: folder of the runs.
        logs: folder of the log files, or its URI.

    Raises:
        ConfigError: if the YAML does not say what a schedule needs.
    """
    schedule = _schedule(config)
    ahead = spans_ahead(config.data_config())
    return {
        "format": FORMAT,
        "ranker": config.name,
        "gaterank": gaterank,
        "config": str(yaml.resolve()),
        "workspace": str(workspace.resolve()),
        "logs": logs,
        # A day's labels are complete so many days later; Airflow's first interval is that day's.
        "days_ahead": ahead,
        "start_date": date_of(span_of(schedule.start) + ahead).isoformat(),
        "cron": schedule.cron,
        "catchup": schedule.catchup,
        "retries": schedule.retries,
        **{
            name: getattr(schedule, name).total_seconds()
            for name in ("wait", "poll", "retry_delay", "step_timeout", "deadline")
        },
        "pool": schedule.pool,
        "alerts": schedule.alerts,
        "monitor": _monitor(config),
        "nodes": [node._asdict() for node in pipeline_graph(config)],
    }


def _monitor(config: RankerConfig) -> dict[str, Any] | None:
    """What the DAG that watches the ranker is made of; None if there is no request log."""
    if config.monitor.requests is None:
        return None
    requests = config.monitor.requests
    folder = requests if is_uri(requests) else str(Path(requests).resolve())
    return config.monitor.model_dump(include={"cron", "retrain"}) | {"requests": folder}


def _schedule(config: RankerConfig) -> Schedule:
    if config.schedule is None:
        raise ConfigError("schedule: must be in the YAML, with the first day as `start`")
    if config.logs.spans is None:
        raise ConfigError("logs.spans: must be in the YAML, for a schedule runs day by day")
    return config.schedule


def _node(node: pipeline_pb2.PipelineNode) -> Node:
    kind = node.node_info.type.name.rpartition(".")[2]
    return Node(
        id=node.node_info.id,
        upstream=tuple(node.upstream_nodes),
        trains=kind in _TRAINING,
        pushes=kind == "Pusher",
    )
