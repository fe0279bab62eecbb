"""The biased rivals: what is commonly done when an expert has no room."""

import numpy as np
import numpy.typing as npt

from trainer.estimators.assignment import assign
from trainer.estimators.capacity import (
    FloatArray,
    first_served,
    log_probabilities,
    log_softmax,
    one_hot,
    sample_scores,
)
from transforms.errors import ConfigError


def plain_skip(logits: npt.ArrayLike, capacity: int, rng: np.random.Generator) -> FloatArray:
    """`skip` without its weights: examples that found no room just vanish from the sum.

    Args, shapes and errors are those of `trainer.estimators.unbiased.skip`.

    Example:
        >>> plain_skip(np.zeros((2, 1)), 2, np.random.default_rng(0)).tolist()
        [[1.0], [1.0]]
    """
    scores = sample_scores(logits, capacity, rng)
    choices = np.argmax(scores, axis=-1)
    wanted = one_hot(choices, scores.shape[-1])
    return first_served(wanted, rng.random(choices.shape), capacity).astype(np.float64)


def plain_balanced(logits: npt.ArrayLike, capacity: int, rng: np.random.Generator) -> FloatArray:
    """`balanced` without its weights: the assignment is taken for a sample of p.

    Args, shapes and errors are those of `trainer.estimators.unbiased.balanced`.

    Example:
        >>> plain_balanced(np.zeros((4, 2)), 2, np.random.default_rng(0)).sum(axis=0).tolist()
        [2.0, 2.0]
    """
    scores = sample_scores(logits, capacity, rng)
    return one_hot(assign(scores, capacity), scores.shape[-1]).astype(np.float64)


def greedy(logits: npt.ArrayLike, capacity: int, rng: np.random.Generator) -> FloatArray:
    """In the order of the batch, each example samples among the experts with room left.

    Args, shapes and errors are those of `trainer.estimators.unbiased.skip`.

    Example:
        >>> greedy(np.zeros((4, 2)), 2, np.random.default_rng(0)).sum(axis=0).tolist()
        [2.0, 2.0]
    """
    scores = sample_scores(logits, capacity, rng)
    weights = np.zeros(scores.shape)
    room = np.full((*scores.shape[:-2], scores.shape[-1]), capacity)  # [..., n]
    for example in range(scores.shape[-2]):
        open_scores = np.where(room > 0, scores[..., example, :], -np.inf)
        taken = one_hot(np.argmax(open_scores, axis=-1), scores.shape[-1])  # [..., n]
        weights[..., example, :] = taken
        room -= taken
    return weights


def top_k_dropped(
    logits: npt.ArrayLike, capacity: int, rng: np.random.Generator, k: int = 2
) -> FloatArray:
    """softmax(KeepTopK(logits, k)); an example that finds an expert full is dropped there.

    Deterministic: the batch's order decides who is dropped. A dropped weight is not given to
    the example's other experts. Arguments not named here are those of
    `trainer.estimators.unbiased.skip`; `rng` is left alone.

    Args:
        k: experts an example.

    Returns:
        Weights [..., B, n], at most k a row and c a column other than 0.

    Raises:
        ConfigError: if c is less than 1, n c less than B, or k not from 1 to n.

    Example:
        >>> logits = [[2.0, 2.0, 0.0], [2.0, 2.0, 0.0]]
        >>> top_k_dropped(logits, 1, np.random.default_rng(0)).tolist()
        [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    log_weights = log_top_k(log_probabilities(logits, capacity), k)
    queue = np.arange(log_weights.shape[-2], dtype=np.float64)
    keys = np.broadcast_to(queue, log_weights.shape[:-1])
    kept = first_served(np.isfinite(log_weights), keys, capacity)
    return np.where(kept, np.exp(log_weights), 0.0)


def log_top_k(logits: FloatArray, k: int) -> FloatArray:
    """log of softmax(KeepTopK(logits, k)): -inf outside the k largest, ties by the lower number.

    Args:
        logits: [..., n].
        k: how many are kept.

    Raises:
        ConfigError: if k is not from 1 to n.

    Example:
        >>> np.exp(log_top_k(np.array([1.0, 0.0, 1.0]), 2)).tolist()
        [0.5, 0.0, 0.5]
    """
    num_experts = logits.shape[-1]
    if not 1 <= k <= num_experts:
        raise ConfigError(
            f"`k` must be from 1 to `num_experts`. Received: k={k}, num_experts={num_experts}"
        )
    order = np.argsort(-logits, axis=-1, kind="stable")[..., :k]
    kept = np.full(logits.shape, -np.inf)
    np.put_along_axis(kept, order, np.take_along_axis(logits, order, axis=-1), axis=-1)
    return log_softmax(kept)
