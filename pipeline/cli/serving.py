"""Verbs about serving: serve, rank."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from pipeline.cli.options import json_option
from pipeline.cli.quiet import load_tensorflow
from transforms.small_files import read_small_file

_PIPE_WIDTH = 160


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path, file_okay=False), metavar="MODEL_DIR")
@click.option("--port", type=int, default=8501, show_default=True, help="REST; 0 takes any.")
@click.option("--grpc-port", type=int, default=8500, show_default=True, help="gRPC; 0 takes any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--name", default="ranker", show_default=True, help="Of the model.")
def serve(model_dir: Path, port: int, grpc_port: int, host: str, name: str) -> None:
    """Serve the versions in MODEL_DIR as TensorFlow Serving would.

    A new version in the folder is loaded beside the old one and takes over without a
    failed request. SIGTERM lets requests end first.
    """
    from serving.server import ServerOptions
    from serving.server import serve as run_server

    load_tensorflow()
    run_server(
        ServerOptions(
            model_dir=model_dir,
            name=name,
            host=host,
            port=port,
            grpc_port=grpc_port,
        )
    )


@click.command()
@click.option("--server", required=True, metavar="URL", help="Such as http://127.0.0.1:8501.")
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
    from serving.client import RankingClient
    from serving.ranking.request import MAX_REQUEST_BYTES, parse_request
    from serving.ranking.table import make_table

    request = parse_request(read_small_file(request_file, MAX_REQUEST_BYTES))
    with RankingClient(server, model=model) as client:
        ranked = client.rank(request)
    if as_json:
        click.echo(json.dumps(ranked.to_document(), indent=1))
    else:
        # A file or a pipe has no width: give every task its column.
        Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(make_table(ranked))
