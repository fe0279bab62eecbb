"""Files that are read whole: configurations, requests, answers."""

from pathlib import Path

from transforms.errors import GaterankError, InputError


def read_small_file(
    path: Path, max_bytes: int, too_large: type[GaterankError] = InputError
) -> bytes:
    """Reads a file; of one that is too large no more than the bound gets into memory.

    Args:
        path: on a local disk.
        max_bytes: how large the file may be.
        too_large: what to raise if it is larger.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise too_large(f"{path}: must be at most {max_bytes} bytes")
    return content
