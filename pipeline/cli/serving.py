"""Verbs about serving: serve, rank."""

import json
from pathlib import Path

import click

from pipeline.cli.options import json_option
from transforms.errors import InputError

_MAX_REQUEST_BYTES = 64 * 1024 * 1024


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path, file_okay=False), metavar="MODEL_DIR")
@click.option("--port", type=int, default=8501, show_default=True, help="REST; 0 takes any.")
@click.option("--grpc-port", type=int, default=8500, show_default=True, help="gRPC; 0 takes any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--name", help="Of the model; by default the folder's name.")
def serve(model_dir: Path, port: int, grpc_port: int, host: str, name: str | None) -> None:
    """Serve the versions in MODEL_DIR as TensorFlow Serving would.

    A new version in the folder is loaded beside the old one and takes over without a
    failed request. SIGTERM lets requests end first.
    """
    from serving.server import ServerOptions
    from serving.server import serve as run_server

    run_server(
        ServerOptions(
            model_dir=model_dir,
            name=name or model_dir.resolve().name,
            host=host,
            port=port,
            grpc_port=grpc_port,
        )
    )


@click.command()
@click.option("--server", required=True, metavar="URL", help="Such as http://127.0.0.1:8501.")
@click.option("--model", "model", help="Of the server; by default its only model.")
@click.option(
    "--request",
    "request_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help='JSON: {"user": {...}, "context": {...}, "candidates": [{"item_id": ..., ...}, ...]}.',
)
@json_option
def rank(server: str, model: str | None, request_file: Path, as_json: bool) -> None:
    """Rank a request's candidates by the combined score."""
    from serving.client import RankingClient
    from serving.ranking import print_ranked

    request = _read_request(request_file)
    with RankingClient(server, model=model) as client:
        ranked = client.rank(request)
    if as_json:
        click.echo(json.dumps(ranked.as_json(), indent=1))
    else:
        print_ranked(ranked)


def _read_request(path: Path) -> object:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_REQUEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(text) > _MAX_REQUEST_BYTES:
        raise InputError(f"{path}: must be at most {_MAX_REQUEST_BYTES} bytes")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: must be JSON: {error}") from None
