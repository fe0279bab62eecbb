"""Verbs that look back: report, runs, lineage."""

import json
from pathlib import Path

import click

from pipeline.cli.options import json_option, workspace_argument


@click.command()
@workspace_argument
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@json_option
def report(workspace: Path, open_it: bool, as_json: bool) -> None:
    """Print the path of the newest report, and of the newest pages of `monitor`, if any."""
    from pipeline.report.render import INPUTS_FILE, REPORT_FILE
    from pipeline.workspace import Workspace

    space = Workspace(workspace)
    newest = space.newest("gaterank.GateReport")
    folder = newest.uri("gaterank.GateReport")
    assert folder is not None
    if as_json:
        click.echo((folder / INPUTS_FILE).read_text(encoding="utf-8"))
        return
    for page in (folder / REPORT_FILE, *space.monitor_pages()):
        click.echo(page)
    if open_it:
        click.launch(str(folder / REPORT_FILE))


@click.command()
@workspace_argument
@json_option
def runs(workspace: Path, as_json: bool) -> None:
    """List the runs, newest first: date, blessing, pushed version, metrics."""
    from pipeline.report.history import print_runs, run_rows
    from pipeline.workspace import Workspace

    rows = run_rows(Workspace(workspace).runs())
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        print_runs(rows)


@click.command()
@workspace_argument
@click.option("--version", "version", help="A pushed version; by default the newest.")
@json_option
def lineage(workspace: Path, version: str | None, as_json: bool) -> None:
    """Say what a pushed model came from: run, data, code, configuration, artifacts."""
    from pipeline.report.history import find_lineage, print_lineage
    from pipeline.workspace import Workspace

    found = find_lineage(Workspace(workspace), version)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        print_lineage(found)
