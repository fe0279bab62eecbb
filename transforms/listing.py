"""What is in a folder, on a local disk or on whatever pyarrow's file systems reach."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyarrow import fs

from transforms.errors import InputError
from transforms.storage import locate, reaching


def list_folders(folder: str) -> list[str]:
    """The names of the folders in a folder, if there is one."""
    file_system, inner = locate(folder)
    with reaching(folder):
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
    with reaching(folder):
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
