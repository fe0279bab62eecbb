"""Folders and files, on a local disk or on whatever pyarrow's file systems reach."""

import contextlib
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from transforms.errors import InputError, write_error
from transforms.secrets import find_secret

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_COPY_BYTES = 1 << 24
_ATTEMPT = re.compile(r"\..+\.[0-9a-f]{32}")


def is_uri(path: str) -> bool:
    """Whether a place is named by a URI (`gs://`, `s3://`, `hdfs://`), not by a local path."""
    return "://" in path


def locate(path: str) -> tuple[fs.FileSystem, str]:
    """Finds the file system of a path or a URI.

    Raises:
        InputError: if there is no such kind of URI, or this machine cannot read it.

    Example:
        >>> locate("/tmp/logs")[1]
        '/tmp/logs'
    """
    if is_uri(path):
        if rule := find_secret(path):
            raise InputError(f"{path.partition('://')[0]}://...: {rule}; docs/security.md says why")
        try:
            file_system, inner = fs.FileSystem.from_uri(path)
        except (pa.ArrowInvalid, OSError) as error:
            # Of libraries that are not there all the places where they might be follow.
            reason = str(error).partition("\n")[0]
            raise InputError(f"{path}: must be a path or a URI: {reason}") from None
        return file_system, str(inner).rstrip("/")
    return fs.LocalFileSystem(), str(Path(path).absolute())


def in_full(path: str) -> str:
    """A path from the root on; a URI without a slash at its end.

    Example:
        >>> in_full("gs://logs/days/"), in_full("/logs/days/")
        ('gs://logs/days', '/logs/days')
    """
    return path.rstrip("/") if is_uri(path) else str(Path(path).absolute())


@contextlib.contextmanager
def reaching(path: str) -> Iterator[None]:
    """Tells in one message what a remote store refuses or a network does not carry.

    Args:
        path: or URI. What a local path runs into passes as it is.

    Raises:
        InputError: without the URI's user, password and options.
    """
    try:
        yield
    except OSError as error:
        if not is_uri(path):
            raise
        scheme, _, rest = path.partition("://")
        place = f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"
        raise InputError(f"{place}: cannot be reached: {error}") from None


def is_file(path: str) -> bool:
    """Whether there is such a file."""
    file_system, inner = locate(path)
    with reaching(path):
        return bool(file_system.get_file_info(inner).type == fs.FileType.File)


def open_stream(path: str) -> pa.NativeFile:
    """Opens a file for reading from its start; `.gz` and `.zst` are decompressed on the way."""
    file_system, inner = locate(path)
    compression = _COMPRESSIONS.get(Path(path).suffix.lower())
    with reaching(path):
        return file_system.open_input_stream(inner, compression=compression, buffer_size=1 << 20)


def read_whole(path: str, max_bytes: int) -> bytes:
    """Reads a file; of one that is too large no more than the bound gets into memory.

    Raises:
        InputError: if it cannot be read, or is larger.
    """
    file_system, inner = locate(path)
    try:
        with file_system.open_input_stream(inner) as stream:
            content: bytes = stream.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if len(content) > max_bytes:
        raise InputError(f"{path}: must be at most {max_bytes} bytes")
    return content


@contextlib.contextmanager
def write_whole(path: str) -> Iterator[pa.NativeFile]:
    """Opens a file for writing that appears under its name only once it is complete.

    Every attempt writes to a name of its own, so a worker that died or was started twice
    leaves no half file and two attempts never mix.

    Raises:
        DiskFullError: if there is no room.
        InputError: if the file system takes no such file for another reason.
    """
    file_system, inner = locate(path)
    folder, _, name = inner.rpartition("/")
    attempt = f"{folder}/.{name}.{uuid.uuid4().hex}"
    try:
        file_system.create_dir(folder, recursive=True)
        with file_system.open_output_stream(attempt, compression=None) as stream:
            yield stream
        file_system.move(attempt, inner)
    except BaseException as error:
        with contextlib.suppress(OSError):
            file_system.delete_file(attempt)
        if isinstance(error, OSError):
            raise write_error(path, error) from None
        raise


def copy_file(source: str, target: str) -> None:
    """Copies a file as it is, between any two places; it appears once it is complete.

    Args:
        source: path or URI.
        target: path or URI; what is there is replaced.

    Raises:
        DiskFullError: if there is no room.
        InputError: if a remote source cannot be reached, or the target takes no such file.
    """
    file_system, inner = locate(source)
    with (
        reaching(source),
        file_system.open_input_stream(inner, compression=None) as data,
        write_whole(target) as stream,
    ):
        shutil.copyfileobj(data, stream, _COPY_BYTES)


def copy_files(source: Path, target: Path) -> None:
    """Copies the files of a local folder, and those of its folders, each as `copy_file` does.

    Args:
        source: the folder.
        target: a local folder, made if it is not there.
    """
    for path in source.rglob("*"):
        if path.is_file():
            copy_file(str(path), str(target / path.relative_to(source)))


def remove_attempts(folder: str) -> None:
    """Removes the files of a folder that `write_whole` was killed in the middle of.

    Args:
        folder: in which nothing is being written any more.
    """
    file_system, inner = locate(folder)
    for info in file_system.get_file_info(fs.FileSelector(inner, allow_not_found=True)):
        if info.type == fs.FileType.File and _ATTEMPT.fullmatch(info.base_name):
            file_system.delete_file(info.path)


def remove_folder(folder: str) -> None:
    """Removes a folder and all that is in it."""
    file_system, inner = locate(folder)
    file_system.delete_dir(inner)
