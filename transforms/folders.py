"""Folders that appear under their name only once they are complete."""

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from pyarrow import fs

from transforms.errors import InputError, write_error
from transforms.storage import is_uri, locate, write_whole

_UNFINISHED = ".unfinished"
_POLL_SECONDS = 0.5
# What file systems say that cannot lock.
_NO_LOCKS = {errno.EBADF, errno.ENOLCK, errno.ENOTSUP}


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, if they are not there.

    Raises:
        InputError: if that cannot be, such as below a file.
        DiskFullError: if there is no room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from None


@contextlib.contextmanager
def locked(folder: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Keeps a second process out of a folder, which is made if it is not there.

    Args:
        folder: gets the file `.lock`.
        what: of the folder, for the message.
        patience: seconds to wait for another process that holds the folder.

    Raises:
        InputError: if another process holds the folder, or it cannot be made.
        DiskFullError: if there is no room for it.
    """
    make_folder(folder)
    try:
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise write_error(folder, error) from None
    with lock:
        _take(lock.fileno(), folder, what, patience)
        yield


@contextlib.contextmanager
def held(folder: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """The same without a file in the folder, for one in which others look for what they know.

    Some network file systems lock no folders: there nobody is kept out.
    """
    make_folder(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            _take(handle, folder, what, patience)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(handle)


def _take(handle: int, folder: Path, what: str, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise InputError(f"{folder}: another run is using this {what}") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


@contextlib.contextmanager
def taking_the_place_of(out: Path, marker: str) -> Iterator[Path]:
    """Gives a folder to fill, which becomes `out` at the end, or vanishes if there is an error.

    Args:
        out: the folder to make; an earlier one is replaced, whole.
        marker: a file by which an earlier one is known; a folder with other things is left
            alone.

    Raises:
        InputError: if `out` holds other things or cannot be made.
        DiskFullError: if there is no room.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     out = Path(home) / "out"
        ...     with taking_the_place_of(out, "done") as folder:
        ...         (folder / "done").touch()
        ...         before = out.exists()
        ...     before, out.exists()
        (False, True)
    """
    out = out.absolute()
    is_ours = (out / marker).is_file()
    if out.exists() and not is_ours and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: must be new, empty, or of an earlier run, with {marker}")
    partial, old = (out.parent / f".{out.name}.{suffix}" for suffix in ("partial", "old"))
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise write_error(out, error) from None
    try:
        yield partial
        if out.exists():
            # Not deleted in place: cut short, half of it would be left under its name.
            out.rename(old)
        partial.rename(out)
    finally:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def filling(out: str, marker: str) -> Iterator[str]:
    """Gives a folder to fill that becomes `out`, which may be on an object store.

    A local folder appears whole, at the end. An object store cannot rename a folder: there
    `out` is emptied and filled in place, and is complete when it has the marker.

    Args:
        out: path or URI; what was there before is replaced.
        marker: a file that is written last, by which an earlier one is known.

    Raises:
        InputError: if `out` holds other things or cannot be made.
        DiskFullError: if there is no room.
    """
    if not is_uri(out):
        with taking_the_place_of(Path(out), marker) as partial:
            yield str(partial)
        return
    file_system, inner = locate(out)
    unfinished = f"{inner}/{_UNFINISHED}"
    found = file_system.get_file_info([inner, f"{inner}/{marker}", unfinished])
    is_there, *is_ours = (info.type != fs.FileType.NotFound for info in found)
    if is_there and not any(is_ours):
        raise InputError(f"{out}: must be new, or of an earlier run, with {marker}")
    file_system.create_dir(inner, recursive=True)
    file_system.delete_dir_contents(inner)
    with write_whole(f"{out}/{_UNFINISHED}"):
        pass
    yield out
    file_system.delete_file(unfinished)
