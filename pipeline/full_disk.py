"""A full disk, whatever a library calls it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transforms.errors import DISK_IS_FULL, DiskFullError, GaterankError

# Beam, TensorFlow and ML Metadata raise their own errors; the words survive.
_SIGNS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "database or disk is full",
)


@contextmanager
def full_disk_is_said(folder: Path) -> Iterator[None]:
    """Turns any error of a full disk into one message.

    Args:
        folder: what is written into.

    Raises:
        DiskFullError: in place of such an error; every other error passes.
    """
    try:
        yield
    except GaterankError:
        raise
    except Exception as error:
        if not is_full_disk(error):
            raise
        message = f"{folder}: cannot be written: No space left on device. Make room and run again"
        raise DiskFullError(message) from error


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is that of a full disk.

    Example:
        >>> is_full_disk(RuntimeError("out/model.pb; No space left on device"))
        True
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
            return True
        if any(sign in str(error) for sign in _SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False
