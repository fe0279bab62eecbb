"""Options and arguments that several verbs share."""

from pathlib import Path
from typing import Any

import click

from transforms.spans.days import parse_span


class Place(click.Path):
    """A folder, or the URI of one on an object store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A Path, or the URI as it is."""
        # Arrow, which comes with it, is not for verbs that name no place.
        from transforms.storage import is_uri

        return value if is_uri(str(value)) else super().convert(value, param, ctx)


config_argument = click.argument(
    "config", type=click.Path(path_type=Path, dir_okay=False), metavar="CONFIG"
)
logs_option = click.option(
    "--logs",
    type=Place(path_type=Path, file_okay=False),
    help="Folder of the log files, or its URI; goes before `logs.path` of CONFIG.",
)
examples_option = click.option(
    "--examples",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that `gaterank ingest` wrote.",
)
span_option = click.option(
    "--span",
    metavar="DATE",
    callback=lambda _context, _option, text: parse_span(text) if text else None,
    help="Last day of the window, such as 2026-01-05; by default the newest complete one.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
workspace_option = click.option(
    "--workspace",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of artifacts, metadata and pushed versions; made if it is not there.",
)
workspace_argument = click.argument(
    "workspace", type=click.Path(path_type=Path, file_okay=False), metavar="WORKSPACE"
)
verify_key_option = click.option(
    "--verify-key",
    "verify_keys",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PUBLIC.pem",
    help="Load only models that the push has signed with the private key to one of these.",
)
signing_key_option = click.option(
    "--signing-key",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="GATERANK_SIGNING_KEY",
    show_envvar=True,
    metavar="PRIVATE.pem",
    help="Sign what is pushed; see docs/security.md.",
)
