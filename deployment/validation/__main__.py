"""Asks all tools about all files; exit code 1 if one of them finds a fault."""

import click

from deployment.validation.checks import all_checks
from deployment.validation.tools import make_tools
from pipeline.cli.main import main
from transforms.errors import GaterankError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def validate() -> None:
    """Check what is under deployment/, without an engine or a cluster."""
    tools = make_tools(lambda line: click.echo(line, err=True))
    faults = 0
    for about, tool, check in all_checks():
        try:
            check(tools)
        except GaterankError as error:
            faults += 1
            click.echo(f"FAULT  {tool}: {about}\n{error}")
        else:
            click.echo(f"ok     {tool}: {about}")
    if faults:
        raise GaterankError(f"{faults} of the files under deployment/ have faults")


if __name__ == "__main__":
    main(validate)
