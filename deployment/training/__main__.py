"""The command of every process of a cluster."""

import os
from pathlib import Path

import click

from pipeline.cli.main import main
from pipeline.cli.options import config_argument, examples_option, span_option
from pipeline.cli.quiet import hush_beam
from trainer.config import ROLES, Role


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@config_argument
@span_option
@examples_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the SavedModel and the record of the training; all processes see it.",
)
@click.option("--role", type=click.Choice(ROLES), default="candidate", show_default=True)
@click.option("--base", type=click.Path(path_type=Path, file_okay=False), help="To begin from.")
@click.option(
    "--wait-seconds",
    type=click.FloatRange(0),
    default=7200,
    show_default=True,
    help="How long the chief may take until it has transformed the examples.",
)
def train_member(
    config: Path,
    span: int | None,
    examples: Path,
    out: Path,
    role: Role,
    base: Path | None,
    wait_seconds: float,
) -> None:
    """Take this process's part in a training of the cluster that TF_CONFIG describes.

    `training.strategy` of CONFIG is multi_worker or parameter_server. The same command goes on
    from the last checkpoint. Exit codes are those of `gaterank train`.
    """
    hush_beam()
    from deployment.training.member import Asked, find_cluster, train_part
    from pipeline.config import load_config
    from pipeline.progress import lines_said

    ranker = load_config(config)
    asked = Asked(ranker, examples, out.absolute(), role, span, base)
    cluster = find_cluster(asked, os.environ)
    with lines_said(click.echo):
        train_part(asked, cluster, wait_seconds)
    click.echo(f"{cluster.name}: done")


if __name__ == "__main__":
    main(train_member)
