"""Verbs that an orchestrator calls: ready, step."""

import re
from pathlib import Path

import click

from pipeline.cli.options import (
    config_argument,
    logs_option,
    signing_key_option,
    span_option,
    workspace_option,
)
from pipeline.config import load_config
from transforms.errors import InputError, NotReadyError

_PUSHER = "Pusher"
_RUN_ID = re.compile(r"\w[\w.:+@~-]{0,249}")


@click.command()
@config_argument
@logs_option
@span_option
def ready(config: Path, logs: Path | str | None, span: int | None) -> None:
    """Say whether a day can be trained on: exit code 7 as long as it cannot.

    Its impressions must be there, and so many days after it that its labels are complete. Without
    --span there must be any such day.
    """
    from pipeline.local_runner import check_span, find_logs
    from transforms.listing import list_files
    from transforms.rolling.inputs import day_is_complete, find_spans, newest_complete
    from transforms.spans.files import describe, newest_spans

    ranker = load_config(config)
    if ranker.logs.spans is None:
        raise InputError("ready: needs `logs.spans` in the YAML")
    check_span(ranker, span)
    data, folder = ranker.data_config(), find_logs(ranker, logs)
    if not newest_spans(ranker.logs.spans.input, list_files(folder)):
        raise NotReadyError(f"{folder}: there is no day like {ranker.logs.spans.input!r}")
    spans = find_spans(data, folder)
    if span is None:
        span = newest_complete(data, spans)
    missing = day_is_complete(data, spans, span)
    if missing:
        raise NotReadyError(f"{describe(span)}: {missing}")
    click.echo(f"{describe(span)}: {len(spans[span].files)} files")


@click.command()
@config_argument
@click.argument("node", metavar="COMPONENT")
@workspace_option
@logs_option
@span_option
@click.option("--run-id", required=True, help="Name of the run that the component belongs to.")
@click.option(
    "--wait",
    "patience",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Seconds to wait while another component or run holds the workspace.",
)
@signing_key_option
def step(
    config: Path,
    node: str,
    workspace: Path,
    logs: Path | str | None,
    span: int | None,
    run_id: str,
    patience: float,
    signing_key: Path | None,
) -> None:
    """Run one COMPONENT of the pipeline, such as CandidateTrainer; `compile` names them all.

    What it waits for must have ended under the same --run-id. A component that has ended there
    does nothing. Exit codes as of `run`; 4 of the Pusher: nothing was pushed.
    """
    from pipeline.cli.pushed import check_pushed
    from pipeline.local_runner import Step, run_step
    from pipeline.workspace import Workspace

    if not _RUN_ID.fullmatch(run_id):
        raise InputError(
            "--run-id: must be up to 250 letters, digits and any of _ . : + @ ~ -. "
            f"Received: {run_id!r}"
        )
    place = Workspace(workspace)
    what = Step(run_id, node, span, patience, signing_key)
    run = run_step(load_config(config), place, logs, what)
    if node == _PUSHER:
        check_pushed(run)
        click.echo(f"pushed as version {run.pushed_version}")
