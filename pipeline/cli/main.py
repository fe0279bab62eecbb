"""The `gaterank` command: its verbs, and how errors end it."""

import errno
import os
import re
import sys
from typing import NoReturn

import click

from pipeline.cli.compile import compile_
from pipeline.cli.data import ingest, simulate, validate
from pipeline.cli.dead_letters import deadletters
from pipeline.cli.demo import demo
from pipeline.cli.gates import gates
from pipeline.cli.history import lineage, report, runs
from pipeline.cli.model import score, sign, train
from pipeline.cli.monitor import monitor
from pipeline.cli.rank import rank
from pipeline.cli.run import run
from pipeline.cli.serve import serve
from pipeline.cli.steps import ready, step
from pipeline.cli.tuning import tune
from pipeline.cli.versions import rollback, versions
from transforms.errors import DISK_IS_FULL, GaterankError

# What the operating system refuses for reasons that lie with the machine.
_MENDABLE = DISK_IS_FULL | {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE}
_BEAM_STEP = re.compile(r" \[while running '[^']*'\]")
_VERBS = (
    demo, validate, gates, simulate, run, report, runs, lineage, serve, versions, rollback, rank,
    score, monitor, sign, train, tune, ingest, deadletters, compile_, ready, step,
)  # fmt: skip


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Exit codes: 0 done, 1 failed, 2 bad input or configuration, 3 too many dead letters, "
        "4 the candidate was not blessed, or a later day is served, 5 an anomaly in the data, "
        "6 a process of a training ended, 7 a day's logs are not there yet, "
        "8 SIGTERM ended a training, which goes on if it is run again, 9 a loss is not finite, "
        "10 an alarm of the monitoring."
    ),
)
@click.version_option(package_name="gaterank")
def cli() -> None:
    """Multi-task ranking: logs in, a blessed, pruned, explained ranker out."""


for verb in _VERBS:
    cli.add_command(verb)


def main(command: click.Command = cli) -> None:
    """The console script: an error that the user can mend is one message, not a traceback."""
    try:
        command()
    except GaterankError as error:
        _end(_BEAM_STEP.sub("", str(error)), error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        place = f"{error.filename}: " if error.filename else ""
        _end(f"{place}{os.strerror(error.errno)}", 1)


def _end(message: str, exit_code: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
