"""Options and arguments that several verbs share."""

from pathlib import Path

import click

config_argument = click.argument(
    "config", type=click.Path(path_type=Path, dir_okay=False), metavar="CONFIG"
)
logs_option = click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the log files; goes before `logs.path` of CONFIG.",
)
span_option = click.option(
    "--span",
    metavar="DATE",
    help="Last day of the window, such as 2026-01-05; by default the newest complete one.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
workspace_argument = click.argument(
    "workspace", type=click.Path(path_type=Path, file_okay=False), metavar="WORKSPACE"
)
