"""Small files in the format of MNIST."""

import gzip
from pathlib import Path

import numpy as np


def idx(values: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    sizes = np.array(values.shape, ">u4").tobytes()
    return bytes((0, 0, 8, values.ndim)) + sizes + values.astype(np.uint8).tobytes()


def write_images(folder: Path, count: int, part: str = "t10k", packed: bool = False) -> None:
    """Images that carry their number in their first and last pixel; labels are its last digit."""
    numbers = np.arange(count)
    pixels = np.zeros((count, 28, 28), np.uint8)
    pixels[:, 0, 0] = pixels[:, -1, -1] = numbers
    for kind, values in (("images", pixels), ("labels", numbers % 10)):
        name = f"{part}-{kind}-idx{values.ndim}-ubyte"
        content = idx(values)
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
