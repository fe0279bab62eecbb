"""The verb rank."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from pipeline.cli.options import json_option
from transforms.small_files import read_small_file

_PIPE_WIDTH = 160


@click.command()
@click.option("--server", required=True, metavar="URL", help="http://127.0.0.1:8501, or grpc://...")
@click.option("--model", default="ranker", show_default=True, help="Its name on the server.")
@click.option(
    "--request",
    "request_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help='JSON: {"user": {...}, "context": {...}, "candidates": [{"item_id": ..., ...}, ...]}.',
)
@json_option
def rank(server: str, model: str, request_file: Path, as_json: bool) -> None:
    """Rank a request's candidates by the combined score."""
    from serving.client import Ranker
    from serving.ranking.request import MAX_REQUEST_BYTES, parse_request
    from serving.ranking.table import make_table

    request = parse_request(read_small_file(request_file, MAX_REQUEST_BYTES))
    with Ranker(server, model=model) as ranker:
        ranked = ranker.rank(request.user, request.candidates, request.context)
    if as_json:
        click.echo(json.dumps(ranked.to_document(), indent=1))
    else:
        # A file or a pipe has no width: give every task its column.
        Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(make_table(ranked))
