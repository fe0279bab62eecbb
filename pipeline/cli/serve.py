"""The verb serve."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.cli.quiet import load_tensorflow
from pipeline.cli.server_options import (
    bounds_options,
    log_options,
    models_options,
    monitoring_options,
    ports_options,
)
from serving.server.options import METRICS_PATH, ServerOptions
from serving.server.request_log.options import RequestLogOptions
from transforms.errors import ConfigError

_LOG = "request_log_"
# Which option each flag takes away.
_OFF = {"no_rest": "port", "no_grpc": "grpc_port", "no_gzip": "gzip_bytes"}


@click.command()
@click.argument(
    "model_dir",
    required=False,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="[MODEL_DIR]",
)
@models_options
@ports_options
@bounds_options
@monitoring_options
@log_options
def serve(**given: Any) -> None:
    """Serve the versions in MODEL_DIR, or the models of --config, as TensorFlow Serving would.

    A new version in a folder is loaded beside the old one and takes over without a failed
    request. SIGTERM lets requests end first.
    """
    from serving.server import serve as run_server

    options = read_options(given)
    load_tensorflow()
    run_server(options)


def read_options(given: dict[str, Any]) -> ServerOptions:
    """The server's options from those of the command line.

    Raises:
        InputError: if a file cannot be read.
        ConfigError: if options or the files that they name contradict each other.
    """
    if (given["model_dir"] is None) == (given["config_file"] is None):
        raise ConfigError("exactly one of MODEL_DIR and --config must be given")
    given["metrics_path"] = _read_metrics_path(given)
    for flag, option in _OFF.items():
        if given.pop(flag):
            given[option] = None
    from serving.manifest.keys import read_verify_keys
    from serving.server.settings.batching import read_batching_file
    from serving.server.settings.model_configs import read_config_file
    from serving.server.settings.ssl import read_ssl_file

    if given["config_file"] is not None:
        given["models"] = read_config_file(given["config_file"])
    readers: dict[str, Callable[[Path], Any]] = {
        "batching": read_batching_file,
        "tls": read_ssl_file,
        "verify_keys": read_verify_keys,
    }
    for option, read in readers.items():
        if given[option] is not None:
            given[option] = read(given[option])
    given["request_log"] = _read_request_log(given)
    return ServerOptions(**given)


def _read_request_log(given: dict[str, Any]) -> RequestLogOptions | None:
    """Takes the options of the request log out of `given`."""
    folder = given.pop("request_log")
    names = [name for name in given if name.startswith(_LOG)]
    options = {name.removeprefix(_LOG): given.pop(name) for name in names}
    set_options = {name: value for name, value in options.items() if value is not None}
    if folder is None:
        if set_options:
            name = next(iter(set_options)).replace("_", "-")
            raise ConfigError(f"--request-log-{name} needs --request-log, the folder")
        return None
    return RequestLogOptions(folder, **set_options)


def _read_metrics_path(given: dict[str, Any]) -> str | None:
    """Takes the three options of metrics out of `given`; where the page is, None for nowhere."""
    path, absent, file = (
        given.pop(name) for name in ("metrics_path", "no_metrics", "monitoring_config")
    )
    if sum(bool(one) for one in (path, absent, file)) > 1:
        raise ConfigError(
            "at most one of --metrics-path, --no-metrics and --monitoring-config may be given"
        )
    if file is not None:
        from serving.server.settings.monitoring import read_monitoring_file

        return read_monitoring_file(file)
    return None if absent else path or METRICS_PATH
