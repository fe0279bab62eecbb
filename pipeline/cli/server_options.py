"""The options of the verb serve, named after those of tensorflow_model_server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import verify_key_option
from serving.server.options import METRICS_PATH

_FILE = click.Path(path_type=Path, dir_okay=False)
_SECONDS = click.FloatRange(min=0)
_COUNT = click.IntRange(min=1)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, shown in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


models_options = _options(
    click.option("--name", default="ranker", show_default=True, help="Of the model in MODEL_DIR."),
    click.option(
        "--config",
        "config_file",
        type=_FILE,
        metavar="FILE",
        help="Several models: TensorFlow Serving's models.config, in place of MODEL_DIR.",
    ),
    click.option(
        "--config-poll-seconds",
        type=_SECONDS,
        default=0.0,
        metavar="SECONDS",
        help="How often FILE is read again; 0, the default, for never.",
    ),
    click.option(
        "--poll-seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        show_default=True,
        metavar="SECONDS",
        help="How often folders are looked at for new versions.",
    ),
    click.option(
        "--allow-version-labels-for-unavailable-models",
        "allow_labels_for_unavailable",
        is_flag=True,
        help="A new label may name a version that is not served yet.",
    ),
    click.option(
        "--reload-requests/--no-reload-requests",
        default=True,
        help="Whether whoever reaches the gRPC port may change the models, as with TensorFlow's.",
    ),
    verify_key_option,
)
ports_options = _options(
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind."),
    click.option("--port", type=int, default=8501, show_default=True, help="REST; 0 takes any."),
    click.option(
        "--grpc-port", type=int, default=8500, show_default=True, help="gRPC; 0 takes any."
    ),
    click.option("--no-rest", is_flag=True, help="gRPC only."),
    click.option("--no-grpc", is_flag=True, help="REST only."),
    click.option(
        "--ssl-config",
        "tls",
        type=_FILE,
        metavar="FILE",
        help="TLS on both ports: TensorFlow Serving's SSLConfig with key and certificate.",
    ),
    click.option(
        "--rest-tls/--no-rest-tls",
        default=True,
        help="Whether REST has TLS too; tensorflow_model_server's never has.",
    ),
)
bounds_options = _options(
    click.option(
        "--threads",
        type=_COUNT,
        help="Requests worked on at once; by default 2 a core, 32 with --batching.",
    ),
    click.option(
        "--max-waiting",
        type=click.IntRange(min=0),
        default=1000,
        show_default=True,
        help="Requests that may wait for a thread; more are refused.",
    ),
    click.option(
        "--max-request-bytes",
        type=_COUNT,
        default=64 * 2**20,
        show_default=True,
        help="Of a request's body, also once it is decompressed.",
    ),
    click.option(
        "--gzip-bytes",
        type=_COUNT,
        default=65536,
        show_default=True,
        help="REST answers from this size on are compressed for clients that accept it.",
    ),
    click.option("--no-gzip", is_flag=True, help="No answer is compressed."),
    click.option(
        "--drain-seconds",
        type=_SECONDS,
        default=0.0,
        show_default=True,
        metavar="SECONDS",
        help="After SIGTERM: how long to answer on, but say that the server is not ready.",
    ),
    click.option(
        "--grace-seconds",
        type=_SECONDS,
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="After that: how long running requests may take.",
    ),
    click.option(
        "--batching",
        type=_FILE,
        metavar="FILE",
        help="Compute requests together: TensorFlow Serving's batching parameters.",
    ),
)
monitoring_options = _options(
    click.option(
        "--metrics-path",
        metavar="PATH",
        help=f"Of the metrics for Prometheus, over REST.  [default: {METRICS_PATH}]",
    ),
    click.option("--no-metrics", is_flag=True, help="No page of metrics."),
    click.option(
        "--monitoring-config",
        type=_FILE,
        metavar="FILE",
        help="TensorFlow Serving's MonitoringConfig, in place of the two options before.",
    ),
)
log_options = _options(
    click.option(
        "--request-log",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Write rankings down as impressions, which ingestion reads; see docs/serving.md.",
    ),
    click.option(
        "--request-log-sample",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="SHARE",
        help="Of the requests.  [default: 1]",
    ),
    click.option(
        "--request-log-top",
        type=_COUNT,
        metavar="N",
        help="Only the best N candidates of each, such as a page of them.  [default: all]",
    ),
    click.option(
        "--request-log-max-bytes",
        type=_COUNT,
        metavar="BYTES",
        help="Of all its files; the oldest go first.  [default: 10 GiB]",
    ),
)
