"""TensorFlow Serving's `batching_parameters` file."""

from pathlib import Path
from typing import Any

from serving.server.batching.parameters import BatchingParameters
from serving.server.settings.messages import make_message
from serving.server.settings.text_files import read_text_file
from transforms.errors import ConfigError

_WRAPPED = (
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
    "enable_large_batch_splitting",
    "max_execution_batch_size",
)


def read_batching_file(path: Path) -> BatchingParameters:
    """Reads a text-format tensorflow.serving.BatchingParameters.

    What the file leaves out has TensorFlow Serving's default; `thread_pool_name` is read and
    means nothing here.

    Args:
        path: of the file.

    Raises:
        InputError: if there is no such file.
        ConfigError: if it is no such text, or a value makes no sense.
    """
    message: Any = read_text_file(path, make_message("BatchingParameters"))
    given = {name: getattr(message, name).value for name in _WRAPPED if message.HasField(name)}
    try:
        return BatchingParameters(
            **given,
            allowed_batch_sizes=tuple(message.allowed_batch_sizes),
            pad_variable_length_inputs=message.pad_variable_length_inputs,
        )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
