"""Files in protobuf's text format, read whole and within a bound."""

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from transforms.errors import ConfigError
from transforms.small_files import read_small_file

_MAX_BYTES = 10 * 2**20

M = TypeVar("M", bound=Message)


def read_text_file(path: Path, message: M) -> M:
    """Fills a message from a file.

    Args:
        path: of at most 10 MB of text.
        message: an empty one.

    Returns:
        The same message.

    Raises:
        InputError: if there is no such file.
        ConfigError: if it is too large, or no such text; the message has line and column.
    """
    text = read_small_file(path, _MAX_BYTES, ConfigError)
    try:
        text_format.Parse(text.decode("utf-8"), message)
    except (UnicodeDecodeError, text_format.ParseError, RecursionError) as error:
        kind = message.DESCRIPTOR.name
        raise ConfigError(f"{path}: must be a {kind} in text format: {error}") from None
    return message
