"""The `gaterank` command: its verbs, and how errors end it."""

import errno
import sys

import click

from pipeline.cli.data import ingest, simulate, validate
from pipeline.cli.demo import demo
from pipeline.cli.history import lineage, report, runs
from pipeline.cli.model import score, train
from pipeline.cli.run import run
from pipeline.cli.serving import rank, serve
from transforms.errors import GaterankError

_VERBS = (demo, validate, simulate, run, report, runs, lineage, serve, rank, score, train, ingest)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Exit codes: 0 done, 1 failed, 2 bad input or configuration, 3 too many dead letters, "
        "4 the candidate was not blessed, 5 an anomaly in the data."
    ),
)
@click.version_option(package_name="gaterank")
def cli() -> None:
    """Multi-task ranking: logs in, a blessed, pruned, explained ranker out."""


for verb in _VERBS:
    cli.add_command(verb)


def main() -> None:
    """The console script: an error that the user can mend is one message, not a traceback."""
    try:
        cli()
    except GaterankError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        click.echo(f"error: the disk is full: {error.filename or ''}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
