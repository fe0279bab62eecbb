"""The verb that does it all: run."""

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


@click.command()
@config_argument
@workspace_option
@logs_option
@span_option
@signing_key_option
def run(
    config: Path,
    workspace: Path,
    logs: Path | str | None,
    span: int | None,
    signing_key: Path | None,
) -> None:
    """Run the whole pipeline on this machine: logs in, pushed ranker and report out.

    A second run does again only what its changed inputs ask for; a run that was cut short
    goes on after the last component that finished. With `logs.spans` only days that are new
    or have changed are ingested, and the last `window` days are trained on. Exit code 4 if
    the candidate does not beat the baseline as `evaluation.thresholds` ask, or the model of a
    later day is served: nothing is pushed then.
    """
    from pipeline.cli.pushed import check_pushed
    from pipeline.local_runner import run_local
    from pipeline.report.summary import print_summary
    from pipeline.workspace import Workspace

    ranker = load_config(config)
    space = Workspace(workspace)
    finished = run_local(ranker, space, logs, span, signing_key)
    print_summary(finished)
    check_pushed(finished)
