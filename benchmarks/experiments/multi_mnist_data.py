"""Two digits in one image: Multi-MNIST, or Multi-Fashion from the files of Fashion-MNIST."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.experiments.mnist_data import SIDE, Images, split_images

SHIFT = 4
# A digit is moved by SHIFT from the middle of the canvas towards a corner.
CANVAS = SIDE + 2 * SHIFT
TASKS = ("upper left", "lower right")


class Pairs(NamedTuple):
    """Images [N, 36, 36] in 0..255, and the labels [N, 2] of both digits."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


@cache
def make_splits(folder: Path, sizes: Sequence[int], seed: int) -> list[Pairs]:
    """Pairs for training, validation and test.

    The single images are split first, so that none is seen in two splits.

    Args:
        folder: of the single images.
        sizes: pairs of each split.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    splits = split_images(folder, seed)
    return [make_pairs(images, size, rng) for images, size in zip(splits, sizes, strict=True)]


def make_pairs(images: Images, count: int, rng: np.random.Generator) -> Pairs:
    """Draws two images for each pair, and lays one over the other: the brighter pixel stays.

    Args:
        images: single ones.
        count: of the pairs.
        rng: draws.

    Example:
        >>> bright = Images(np.full((1, 28, 28), 9, np.uint8), np.array([7], np.uint8))
        >>> pair = make_pairs(bright, 1, np.random.default_rng(0))
        >>> pair.images[0, [0, 35, 0], [0, 35, 35]].tolist(), pair.labels.tolist()
        ([9, 9, 0], [[7, 7]])
    """
    first, second = rng.integers(len(images.labels), size=(2, count))
    canvas = np.zeros((count, CANVAS, CANVAS), np.uint8)
    canvas[:, :SIDE, :SIDE] = images.pixels[first]
    corner = canvas[:, -SIDE:, -SIDE:]
    np.maximum(corner, images.pixels[second], out=corner)
    return Pairs(canvas, np.stack([images.labels[first], images.labels[second]], axis=-1))
