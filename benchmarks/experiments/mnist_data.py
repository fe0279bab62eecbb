"""Images in the official files of MNIST and its kin (Fashion-MNIST has files of the same names)."""

import zlib
from functools import cache
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.errors import InputError
from transforms.small_files import read_small_file

NUM_CLASSES = 10
SIDE = 28
_PARTS = ("train", "t10k")
# 60,000 images of 28 x 28 are 47 MB.
_MAX_BYTES = 100_000_000
_UNSIGNED_BYTES = 8
# Of all images; the rest is for the test.
_TRAIN, _VALIDATION = 0.7, 0.15


class Images(NamedTuple):
    """Pixels [N, 28, 28] in 0..255 and labels [N] in 0..9."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


@cache
def split_images(folder: Path, seed: int) -> tuple[Images, Images, Images]:
    """All images of a folder, shuffled: 70% to train on, 15% for validation, 15% for the test.

    Args:
        folder: of `read_images`.
        seed: of the order.
    """
    images = read_images(folder)
    count = len(images.labels)
    order = np.random.default_rng(seed).permutation(count)
    ends = [round(_TRAIN * count), round((_TRAIN + _VALIDATION) * count)]
    train, validation, test = (
        Images(images.pixels[rows], images.labels[rows]) for rows in np.split(order, ends)
    )
    return train, validation, test


def read_images(folder: Path) -> Images:
    """The images of `train-*` and `t10k-*` together; one of the two is enough.

    Args:
        folder: with `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, or the same of
            `train`; each as it is or with `.gz`.

    Raises:
        InputError: if there is neither, or a file is not what its name says.
    """
    parts = [_read_part(folder, part) for part in _PARTS if _find(folder, f"{part}-images", 3)]
    if not parts:
        raise InputError(
            f"{folder}: must hold t10k-images-idx3-ubyte or train-images-idx3-ubyte, as it is or "
            "with .gz"
        )
    return Images(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def read_idx(path: Path, rank: int) -> npt.NDArray[np.uint8]:
    """One file of unsigned bytes in the IDX format, of `rank` dimensions.

    Two bytes 0, one for the type, one for the rank; the sizes as big-endian 32-bit integers;
    the values.

    Raises:
        InputError: if it cannot be read, is larger than 100 MB, or is something else.
    """
    content = read_small_file(path, _MAX_BYTES)
    if path.suffix == ".gz":
        content = _inflate(path, content)
    start = 4 + 4 * rank
    if len(content) < start or content[:4] != bytes((0, 0, _UNSIGNED_BYTES, rank)):
        raise InputError(
            f"{path}: must be an IDX file of unsigned bytes with {rank} dimensions. Received: "
            f"{content[:4].hex(' ') or 'nothing'} at its start"
        )
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if prod(shape) != len(content) - start:
        raise InputError(
            f"{path}: must hold as many values as its sizes say. Received: "
            f"{' x '.join(map(str, shape))} and {len(content) - start} bytes"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _read_part(folder: Path, part: str) -> Images:
    paths = [_find(folder, f"{part}-{kind}", rank) for kind, rank in (("images", 3), ("labels", 1))]
    if paths[0] is None or paths[1] is None:
        raise InputError(f"{folder}: must hold {part}-labels-idx1-ubyte, as it is or with .gz")
    images = Images(read_idx(paths[0], 3), read_idx(paths[1], 1))
    if images.pixels.shape[1:] != (SIDE, SIDE):
        shape = " x ".join(map(str, images.pixels.shape[1:]))
        raise InputError(f"{paths[0]}: images must be {SIDE} x {SIDE}. Received: {shape}")
    if len(images.labels) != len(images.pixels):
        raise InputError(
            f"{paths[1]}: must have a label for each image. Received: {len(images.labels)} labels, "
            f"{len(images.pixels)} images"
        )
    if images.labels.max(initial=0) >= NUM_CLASSES:
        raise InputError(
            f"{paths[1]}: labels must be below {NUM_CLASSES}. Received: {images.labels.max()}"
        )
    return images


def _find(folder: Path, name: str, rank: int) -> Path | None:
    plain = folder / f"{name}-idx{rank}-ubyte"
    packed = plain.with_name(f"{plain.name}.gz")
    return next((path for path in (plain, packed) if path.exists()), None)


def _inflate(path: Path, content: bytes) -> bytes:
    """At most a byte more than allowed gets into memory."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        values = inflater.decompress(content, _MAX_BYTES + 1)
    except zlib.error as error:
        raise InputError(f"{path}: cannot be unpacked: {error}") from None
    if len(values) > _MAX_BYTES:
        raise InputError(f"{path}: must hold at most {_MAX_BYTES} bytes")
    if not inflater.eof:
        raise InputError(f"{path}: ends too early")
    return values
