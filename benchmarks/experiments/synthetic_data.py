"""The synthetic regression tasks of DSelect-k's appendix C.1."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
NUM_FEATURES = 10
EXPERTS_PER_GROUP = 4
UNITS_PER_EXPERT = 4
_CORRELATION = 0.8
# The text of C.1 has groups of 16, but its unions of 64 and 128 tasks are of two groups.
GROUP_SIZES = {16: 16, 32: 16, 64: 32, 128: 64}


class Split(NamedTuple):
    """Inputs [B, 10] and labels [B, T]."""

    inputs: FloatArray
    labels: FloatArray


def make_groups(num_tasks: int) -> npt.NDArray[np.int_]:
    """[T]: the group of each task.

    Example:
        >>> make_groups(32)[[0, 15, 16]].tolist()
        [0, 0, 1]
    """
    return np.arange(num_tasks) // GROUP_SIZES[num_tasks]


def make_splits(num_tasks: int, sizes: tuple[int, ...], seed: int) -> list[Split]:
    """Splits of one draw of experts and task weights.

    Each group has four experts of its own, each the sum of four ReLU units with standard
    normal kernels. A task is a convex combination of its group's experts: the softmax of
    normals that have correlation 0.8 among the tasks of a group. Labels are divided by
    their standard deviation over all tasks.

    Args:
        num_tasks: T.
        sizes: examples of each split.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((sum(sizes), NUM_FEATURES), np.float32)
    labels = np.concatenate([_make_group(inputs, size, rng) for size in _sizes(num_tasks)], axis=1)
    ends = np.cumsum(sizes)[:-1]
    return [
        Split(*pair) for pair in zip(np.split(inputs, ends), np.split(labels, ends), strict=True)
    ]


def _sizes(num_tasks: int) -> list[int]:
    return [GROUP_SIZES[num_tasks]] * (num_tasks // GROUP_SIZES[num_tasks])


def _make_group(inputs: FloatArray, num_tasks: int, rng: np.random.Generator) -> FloatArray:
    units = EXPERTS_PER_GROUP * UNITS_PER_EXPERT
    kernel = rng.standard_normal((NUM_FEATURES, units), np.float32)
    hidden = np.maximum(inputs @ kernel, 0.0)  # [B, units]
    experts = hidden.reshape(-1, EXPERTS_PER_GROUP, UNITS_PER_EXPERT).sum(axis=-1)  # [B, 4]
    common = rng.standard_normal((1, EXPERTS_PER_GROUP))
    own = rng.standard_normal((num_tasks, EXPERTS_PER_GROUP))
    weights = np.exp(_CORRELATION**0.5 * common + (1 - _CORRELATION) ** 0.5 * own)  # [T, 4]
    weights /= weights.sum(axis=-1, keepdims=True)
    labels: FloatArray = experts @ weights.T.astype(np.float32)
    return labels
