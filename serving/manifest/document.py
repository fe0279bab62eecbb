"""The manifest: which files a model has, their sizes and digests."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from transforms.errors import InputError
from transforms.saved_model import EXTRA_FOLDER
from transforms.section import Section

MANIFEST_FILE = f"{EXTRA_FOLDER}/gaterank.files.json"
SIGNATURE_FILE = f"{EXTRA_FOLDER}/gaterank.files.sig"
OWN_FILES = frozenset({MANIFEST_FILE, SIGNATURE_FILE})
"""What the manifest cannot list: itself, and its signature."""

MAX_FILES = 10_000
MAX_BYTES = 1 << 22
"""Of the manifest."""

Stamp = tuple[tuple[str, int, int, int], ...]
"""Of each file its name, size, and when its content and its place were changed."""

FileName = Annotated[str, Field(min_length=1, max_length=4096)]


class ManifestError(InputError):
    """The files of a model are not those that its manifest lists."""


class FileDigest(Section):
    """One file.

    Attributes:
        bytes: its size.
        sha256: of its content, in hexadecimal.
    """

    bytes: int = Field(ge=0, le=2**50)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Section):
    """The document. It does not name the version, which a rollback gives anew.

    Attributes:
        format: of this document.
        ranker: whose model it is.
        made: when.
        files: name, relative to the model's folder and with slashes -> the file.
    """

    format: Literal[1] = 1
    ranker: str = Field(max_length=1000)
    made: AwareDatetime
    files: dict[FileName, FileDigest] = Field(max_length=MAX_FILES)


def list_files(folder: Path) -> dict[str, os.stat_result]:
    """The files of a model, but for the manifest and its signature.

    Args:
        folder: of the model.

    Returns:
        Name -> what the file system says of it.

    Raises:
        ManifestError: at a link, which may lead out of the folder, at what is neither a file nor
            a folder, or if there are more than 10,000 of them.
    """
    files: dict[str, os.stat_result] = {}
    waiting, seen = [""], 0
    try:
        while waiting:
            inner = waiting.pop()
            with os.scandir(folder / inner) as entries:
                for entry in entries:
                    name, seen = f"{inner}{entry.name}", seen + 1
                    if seen > MAX_FILES:
                        raise ManifestError(f"{folder}: must have at most {MAX_FILES} files")
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{name}/")
                    elif entry.is_file(follow_symlinks=False):
                        files[name] = entry.stat(follow_symlinks=False)
                    else:
                        raise ManifestError(
                            f"{folder / name}: a model with a manifest must have files and folders "
                            "only, no links"
                        )
    except OSError as error:
        raise ManifestError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return {name: stat for name, stat in files.items() if name not in OWN_FILES}


def stamp_of(files: Mapping[str, os.stat_result]) -> Stamp:
    """What changes when one of the files does, or another one takes its place."""
    return tuple(
        sorted((name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in files.items())
    )


def digest_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal; follows no link.

    Raises:
        ManifestError: if it cannot be read.
    """
    try:
        # A pipe that has taken the file's place would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from None
