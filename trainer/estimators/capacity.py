"""What all routers share: the rules of a batch, sampling, and who fits into an expert."""

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from transforms.errors import ConfigError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def capacity_of(batch_size: int, num_experts: int, factor: float) -> int:
    """c = ceil(factor B / n), at least what holds the batch if the factor is at least 1.

    Example:
        >>> capacity_of(batch_size=10, num_experts=4, factor=1.0)
        3
    """
    return math.ceil(factor * batch_size / num_experts)


def check_capacity(batch_size: int, num_experts: int, capacity: int) -> None:
    """Refuses a capacity that cannot hold the batch.

    Raises:
        ConfigError: with the rule and the numbers.

    Example:
        >>> check_capacity(batch_size=8, num_experts=2, capacity=3)
        Traceback (most recent call last):
        transforms.errors.ConfigError: `capacity` times `num_experts` must be at least the \
batch size. Received: capacity=3, num_experts=2, batch_size=8
    """
    if capacity < 1:
        raise ConfigError(f"`capacity` must be at least 1. Received: capacity={capacity}")
    if capacity * num_experts < batch_size:
        raise ConfigError(
            "`capacity` times `num_experts` must be at least the batch size. Received: "
            f"capacity={capacity}, num_experts={num_experts}, batch_size={batch_size}"
        )


def log_softmax(logits: npt.ArrayLike) -> FloatArray:
    """log p over the last axis, in float64.

    Example:
        >>> np.exp(log_softmax([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    return np.asarray(special.log_softmax(np.asarray(logits, np.float64), axis=-1))


def log_probabilities(logits: npt.ArrayLike, capacity: int) -> FloatArray:
    """log p(j|x_i) of a batch that fits.

    Args:
        logits: [..., B, n]; every leading axis is one more independent batch.
        capacity: c, examples that an expert computes of one batch.

    Returns:
        [..., B, n], float64.

    Raises:
        ConfigError: if c is less than 1 or n c less than B.
        ValueError: if the logits have fewer than two axes, or one is not finite: an expert
            of probability 0 could be the only one with room.
    """
    values = np.asarray(logits, np.float64)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(f"`logits` must be [..., B, n]. Received: shape={values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"`logits` must be finite. Received: {values[~np.isfinite(values)][0]}")
    check_capacity(values.shape[-2], values.shape[-1], capacity)
    return log_softmax(values)


def perturb(log_probs: FloatArray, rng: np.random.Generator) -> FloatArray:
    """log p + standard Gumbel noise, [..., B, n]: its argmax over j is a sample of p."""
    return log_probs + rng.gumbel(size=log_probs.shape)


def sample_scores(logits: npt.ArrayLike, capacity: int, rng: np.random.Generator) -> FloatArray:
    """`perturb` of `log_probabilities`: a checked batch's scores [..., B, n]."""
    return perturb(log_probabilities(logits, capacity), rng)


def one_hot(choices: IntArray, num_experts: int) -> BoolArray:
    """[..., B] expert numbers as [..., B, n].

    Example:
        >>> one_hot(np.array([1, 0]), 2).astype(int).tolist()
        [[0, 1], [1, 0]]
    """
    return np.asarray(choices[..., np.newaxis] == np.arange(num_experts))


def first_served(wanted: BoolArray, keys: FloatArray, capacity: int) -> BoolArray:
    """Of the examples that want an expert, the c with the smallest keys.

    Args:
        wanted: [..., B, n].
        keys: [..., B]; random ones keep a uniform subset, the batch's order the first.
        capacity: c.

    Returns:
        [..., B, n], at most c a column.

    Example:
        >>> wanted = np.array([[True, False], [True, False], [True, True]])
        >>> first_served(wanted, np.array([0.3, 0.1, 0.2]), 2).astype(int).tolist()
        [[0, 0], [1, 0], [1, 1]]
    """
    order = np.argsort(keys, axis=-1, kind="stable")[..., np.newaxis]  # [..., B, 1]
    queue = np.take_along_axis(wanted, order, axis=-2)
    places = np.empty(wanted.shape, np.int64)
    np.put_along_axis(places, order, np.cumsum(queue, axis=-2), axis=-2)
    return np.asarray(wanted & (places <= capacity))
