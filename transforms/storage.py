"""Folders and files, on a local disk or on whatever pyarrow's file systems reach."""

import contextlib
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from transforms.errors import InputError, write_error

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
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


def is_file(path: str) -> bool:
    """Whether there is such a file."""
    file_system, inner = locate(path)
    return bool(file_system.get_file_info(inner).type == fs.FileType.File)


def list_folders(folder: str) -> list[str]:
    """The names of the folders in a folder, if there is one."""
    file_system, inner = locate(folder)
    if file_system.get_file_info(inner).type != fs.FileType.Directory:
        return []
    found = file_system.get_file_info(fs.FileSelector(inner))
    return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)


def list_files(folder: str) -> dict[str, str]:
    """Lists the files under a folder: relative path -> path, sorted by relative path.

    Names that start with a dot or an underscore are markers of other programs and are
    left out. A link may lead to a file inside the folder; linked folders are not entered.

    Raises:
        InputError: if there is no such folder, a link leads out of it or nowhere, or
            something is no file or has a name that is no text.
    """
    file_system, root = locate(folder)
    if file_system.get_file_info(root).type != fs.FileType.Directory:
        raise InputError(f"logs: must be a folder. Received: {folder!r}")
    if isinstance(file_system, fs.LocalFileSystem):
        paths = list(_walk(Path(root)))
    else:
        found = file_system.get_file_info(fs.FileSelector(root, recursive=True))
        paths = [info.path for info in found if info.type == fs.FileType.File]
    prefix = _prefix(folder, root)
    relatives = {path[len(root.rstrip("/")) + 1 :]: path for path in paths}
    return {
        relative: prefix + relatives[relative]
        for relative in sorted(relatives)
        if not _is_marker(relative)
    }


def fingerprint_files(files: Mapping[str, str]) -> dict[str, list[int]]:
    """What tells that a file changed: relative path -> size and time of change, nanoseconds.

    Args:
        files: relative path -> path, of one file system, as `list_files` gives them.
    """
    if not files:
        return {}
    first = next(iter(files.values()))
    file_system, inner = locate(first)
    prefix = _prefix(first, inner)
    infos = file_system.get_file_info([path.removeprefix(prefix) for path in files.values()])
    return {
        relative: [info.size, info.mtime_ns] for relative, info in zip(files, infos, strict=True)
    }


def _is_marker(relative: str) -> bool:
    return any(part[0] in "._" for part in relative.split("/"))


def _prefix(folder: str, inner: str) -> str:
    """What a URI has before the path inside its file system, such as a scheme and a host.

    Example:
        >>> _prefix("hdfs://names.lan:8020/logs", "/logs"), _prefix("s3://logs/new", "logs/new")
        ('hdfs://names.lan:8020', 's3://')
    """
    scheme, separator, _ = folder.partition("://")
    if not separator:
        return ""
    whole, path = folder.rstrip("/"), inner.rstrip("/")
    return whole.removesuffix(path) if whole.endswith(path) else f"{scheme}://"


def _walk(root: Path) -> Iterator[str]:
    home = root.resolve()
    for here, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _is_marker(name)]
        files = [name for name in files if not _is_marker(name)]
        for name in [*folders, *files]:
            _check_place(Path(here, name), home)
        yield from (str(Path(here, name)) for name in files)


def _check_place(path: Path, home: Path) -> None:
    """Refuses what would be read from elsewhere, wait for ever, or not be read at all."""
    if not path.is_file() and not path.is_dir():
        raise InputError(f"{path}: must be a file, or a link to one")
    if path.is_symlink() and not path.resolve().is_relative_to(home):
        raise InputError(f"{path}: a link must not lead out of the logs' folder {home}")
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{str(path)!r}: a file's name must be UTF-8") from None


def open_stream(path: str) -> pa.NativeFile:
    """Opens a file for reading from its start; `.gz` and `.zst` are decompressed on the way."""
    file_system, inner = locate(path)
    compression = _COMPRESSIONS.get(Path(path).suffix.lower())
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
