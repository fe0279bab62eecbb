"""TensorFlow Serving's `monitoring_config` file."""

from pathlib import Path
from typing import Any

from serving.server.options import METRICS_PATH
from serving.server.settings.messages import make_message
from serving.server.settings.text_files import read_text_file


def read_monitoring_file(path: Path) -> str | None:
    """Reads a text-format tensorflow.serving.MonitoringConfig.

    Args:
        path: of the file.

    Returns:
        Where the metrics are; None for nowhere.

    Raises:
        InputError: if there is no such file.
        ConfigError: if it is no such text.
    """
    message: Any = read_text_file(path, make_message("MonitoringConfig"))
    prometheus = message.prometheus_config
    return (prometheus.path or METRICS_PATH) if prometheus.enable else None
