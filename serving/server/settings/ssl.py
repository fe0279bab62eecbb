"""TensorFlow Serving's `ssl_config` file."""

from pathlib import Path
from typing import Any

from serving.server.settings.messages import make_message
from serving.server.settings.text_files import read_text_file
from serving.server.tls import ServerTls
from transforms.errors import ConfigError


def read_ssl_file(path: Path) -> ServerTls:
    """Reads a text-format tensorflow.serving.SSLConfig.

    Args:
        path: of the file.

    Raises:
        InputError: if there is no such file.
        ConfigError: if it is no such text, or its key and certificate are no pair.
    """
    message: Any = read_text_file(path, make_message("SSLConfig"))
    try:
        return ServerTls(
            key=message.server_key.encode("utf-8"),
            certificate=message.server_cert.encode("utf-8"),
            ca=message.custom_ca.encode("utf-8"),
            client_verify=message.client_verify,
        )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
