"""One checkpoint as a file: NumPy's .npz without compression, with a JSON document in it.

Such a file has a checksum for each part, can be looked at by `numpy.load`, and holds no code.
"""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.errors import InputError, write_error

MAX_DOCUMENT_BYTES = 64_000_000
_DOCUMENT = "document.json"
_MAX_HEADER_BYTES = 1000
_CHUNK_BYTES = 1 << 20
# What a file that broke off, or was made by somebody else, makes the libraries raise.
_SIGNS = (
    zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, EOFError, KeyError,
    NotImplementedError, OverflowError, RuntimeError, SyntaxError, ValueError,
)  # fmt: skip

Array = npt.NDArray[Any]


class BrokenCheckpointError(InputError):
    """A checkpoint is not whole."""


class ArraySpec(NamedTuple):
    """What an array must be.

    Attributes:
        shape: of it.
        dtype: NumPy's name of its type.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def num_bytes(self) -> int:
        """Of its values."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def write_checkpoint(path: Path, document: bytes, arrays: Iterable[tuple[str, Array]]) -> None:
    """Writes a file that is there whole or not at all, whenever the process is killed.

    Args:
        path: of the file; one that is there is replaced.
        document: JSON.
        arrays: name -> array, asked for one by one, so that only one has to be in memory.

    Raises:
        InputError: if it cannot be written.
        DiskFullError: if there is no room.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(_DOCUMENT), document)
            for name, array in arrays:
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as out:
                    np.lib.format.write_array(out, np.asarray(array), allow_pickle=False)
        # Not forced onto the disk: of a machine that loses power, the checksums tell.
        partial.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


class CheckpointFile:
    """A checkpoint that is open.

    Args:
        path: of the file.
        archive: what is in it.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive

    def document(self) -> bytes:
        """The JSON document."""
        with _said_of(self.path):
            info = self._archive.getinfo(_DOCUMENT)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > MAX_DOCUMENT_BYTES:
                raise ValueError(f"{_DOCUMENT} must have at most {MAX_DOCUMENT_BYTES} bytes")
            return self._archive.read(info)

    def check(self, specs: Mapping[str, ArraySpec]) -> None:
        """Reads all once, so that nothing is taken of a file that breaks off further on.

        Args:
            specs: name -> what the array must be; there must be these and no others.

        Raises:
            BrokenCheckpointError: with the first thing that is not as it must be.
        """
        with _said_of(self.path):
            if set(self._archive.namelist()) != {_DOCUMENT, *(f"{name}.npy" for name in specs)}:
                raise ValueError("must have the arrays of the training, and no others")
            for name, spec in specs.items():
                with self._open(name, spec) as values:
                    while values.read(_CHUNK_BYTES):  # to its end: there is the checksum
                        pass

    def read(self, name: str, spec: ArraySpec) -> Array:
        """One of the arrays that have been checked."""
        with _said_of(self.path), self._open(name, spec) as values:
            return np.frombuffer(values.read(spec.num_bytes), spec.dtype).reshape(spec.shape)

    def _open(self, name: str, spec: ArraySpec) -> IO[bytes]:
        """An array's values, behind the header that says what they are."""
        info = self._archive.getinfo(f"{name}.npy")
        stream = self._archive.open(info)
        version = np.lib.format.read_magic(stream)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream, _MAX_HEADER_BYTES)
        is_plain = info.compress_type == zipfile.ZIP_STORED and version == (1, 0)
        is_whole = info.file_size == stream.tell() + spec.num_bytes
        is_as_asked = shape == spec.shape and dtype == np.dtype(spec.dtype) and not is_fortran
        if not (is_plain and is_whole and is_as_asked):
            raise ValueError(f"{name} must be {spec}. Received: {dtype} {shape}")
        return stream


@contextmanager
def reading(path: Path, max_bytes: int) -> Iterator[CheckpointFile]:
    """Opens a checkpoint.

    Args:
        path: of the file.
        max_bytes: that its arrays can have.

    Raises:
        BrokenCheckpointError: if it is not whole.
        InputError: if it cannot be read.
    """
    with _said_of(path):
        if path.stat().st_size > 2 * (max_bytes + MAX_DOCUMENT_BYTES):
            raise ValueError(f"must have at most {max_bytes} bytes of arrays")
        file = path.open("rb")
    with file:
        with _said_of(path):
            archive = zipfile.ZipFile(file)
        with archive:
            yield CheckpointFile(path, archive)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _SIGNS as error:
        raise BrokenCheckpointError(f"{path}: is no whole checkpoint: {error!s:.300}") from error
