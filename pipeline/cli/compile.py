"""The verb that writes the pipeline as an orchestrator reads it: compile."""

import json
import sys
from pathlib import Path

import click

from pipeline.cli.options import config_argument, logs_option
from pipeline.config import RankerConfig, load_config
from pipeline.kubeflow.options import Target
from transforms.errors import InputError


@click.command(name="compile")
@config_argument
@click.option(
    "--target",
    type=click.Choice(["airflow", "kubeflow", "vertex"]),
    required=True,
    help="The orchestrator.",
)
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    help="For Airflow: folder of artifacts, metadata and pushed versions.",
)
@logs_option
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write."
)
def compile_(
    config: Path, target: str, workspace: Path | None, logs: Path | str | None, out: Path
) -> None:
    """Write CONFIG's pipeline as an orchestrator reads it. Write it again when CONFIG has changed.

    For Airflow, a JSON beside the DAG file: the components and what each waits for, the YAML's
    `schedule`, and the command that runs a component: this gaterank, in this environment.

    For Kubeflow Pipelines and Vertex AI, a pipeline of KFP's v2 spec as YAML, from the YAML's
    `kubeflow`; each run can name other `logs` and another `span`.
    """
    from transforms.storage import write_whole

    ranker = load_config(config)
    if target == "airflow":
        text, outcome = _airflow(ranker, config, workspace, logs)
    elif workspace is not None:
        raise InputError("--workspace: is for Airflow; elsewhere it is `kubeflow.workspace`")
    else:
        text, outcome = _kubeflow(ranker, "vertex" if target == "vertex" else "kubeflow", logs)
    with write_whole(str(out)) as stream:
        stream.write(text.encode())
    click.echo(f"{out}: {outcome}")


def _airflow(
    ranker: RankerConfig, config: Path, workspace: Path | None, logs: Path | str | None
) -> tuple[str, str]:
    from pipeline.graph import airflow_document
    from pipeline.local_runner import find_logs

    if workspace is None:
        raise InputError("--workspace: Airflow needs it, the folder of the runs")
    command = [sys.executable, "-m", "pipeline.cli.main"]
    document = airflow_document(ranker, config, command, workspace, find_logs(ranker, logs))
    outcome = f"{len(document['nodes'])} components, from {document['start_date']}"
    return json.dumps(document, indent=1), outcome


def _kubeflow(ranker: RankerConfig, target: Target, logs: Path | str | None) -> tuple[str, str]:
    from pipeline.kubeflow.spec import kubeflow_documents, write_documents

    # A folder of the containers, not of this machine.
    documents = kubeflow_documents(ranker, target, None if logs is None else str(logs))
    outcome = f"{len(documents[0]['components'])} components, held against KFP's schema"
    return write_documents(documents), outcome
