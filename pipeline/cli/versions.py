"""Verbs for the folder that a server watches: versions, rollback."""

import json
import time
from pathlib import Path

import click

from pipeline.cli.options import json_option
from transforms.errors import GaterankError

_POLL_SECONDS = 0.2
_model_dir = click.argument(
    "model_dir", type=click.Path(path_type=Path, file_okay=False), metavar="MODEL_DIR"
)


@click.command()
@_model_dir
@json_option
def versions(model_dir: Path, as_json: bool) -> None:
    """List the versions in MODEL_DIR, newest first: the last day each has seen, what it copies."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.served.listing import version_rows

    rows = version_rows(model_dir)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    table = Table("version", "last day", "state", "reason")
    for row in rows:
        states = [f"copy of {row['copy_of']}"] if row["copy_of"] is not None else []
        states += ["withdrawn"] if row["withdrawn"] else []
        states += ["newest"] if row is rows[0] else []
        table.add_row(str(row["version"]), row["day"] or "", ", ".join(states), row["reason"])
    Console().print(table)


@click.command()
@_model_dir
@click.option(
    "--to",
    type=click.IntRange(0),
    help="Version to put back; by default the newest good one before the served one.",
)
@click.option(
    "--from",
    "expected",
    type=click.IntRange(0),
    help="Version that is the newest now; if it is not any more, nothing is done.",
)
@click.option("--reason", default="", help="Why, for those who look at it later.")
@click.option("--server", metavar="URL", help="Wait until this server serves what was put back.")
@click.option("--model", default="ranker", show_default=True, help="Its name on the server.")
@click.option(
    "--wait",
    "patience",
    type=click.FloatRange(0),
    default=120.0,
    show_default=True,
    help="Seconds to wait for the server.",
)
def rollback(
    model_dir: Path,
    to: int | None,
    expected: int | None,
    reason: str,
    server: str | None,
    model: str,
    patience: float,
) -> None:
    """Put the last good version in MODEL_DIR back, as its newest one.

    Servers take it up as they do what is pushed, and no request fails. The versions after it are
    withdrawn: nothing is deleted, but no later run begins from them. `--to` may bring one back.
    """
    from pipeline.served.rollback import roll_back

    made = roll_back(model_dir, to, expected, reason)
    withdrawn = ", ".join(map(str, made.withdrawn)) or "none"
    click.echo(f"{model_dir}: version {made.to} is back as {made.version}; withdrawn: {withdrawn}")
    if server is not None:
        seconds = _wait(server, model, made.version, patience)
        click.echo(f"{server} serves version {made.version} after {seconds:.1f} s")


def _wait(server: str, model: str, version: int, patience: float) -> float:
    """Seconds until a server serves a version.

    Raises:
        GaterankError: if it cannot be loaded, or is not in time.
    """
    from serving.client import Ranker

    began = time.monotonic()
    with Ranker(server, model=model) as ranker:
        while True:
            seconds = time.monotonic() - began
            states = {one.version: one for one in ranker.status()}
            state = states.get(version)
            if state is not None and state.state == "AVAILABLE":
                return seconds
            why = f": {state.error_message}" if state is not None and state.error_message else ""
            if why or seconds > patience:
                raise GaterankError(f"{server}: must serve version {version} of {model}{why}")
            time.sleep(_POLL_SECONDS)
