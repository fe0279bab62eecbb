"""The two routers whose estimates are unbiased: skip and balanced."""

import numpy as np
import numpy.typing as npt

from trainer.estimators.assignment import assign, value_changes
from trainer.estimators.capacity import (
    FloatArray,
    IntArray,
    first_served,
    log_probabilities,
    log_softmax,
    one_hot,
    perturb,
    sample_scores,
)


def skip(logits: npt.ArrayLike, capacity: int, rng: np.random.Generator) -> FloatArray:
    """Samples z_i ~ p, and skips a random part of what an expert has no room for.

    Of the n_j examples on expert j a uniform subset of min(n_j, c) is kept, with weight
    n_j / min(n_j, c): the chance to be kept, inverted.

    Args:
        logits: [..., B, n]; every leading axis is one more independent batch.
        capacity: c, examples that an expert computes of one batch.
        rng: of the samples and of the subset.

    Returns:
        Weights [..., B, n], at most one a row and c a column other than 0.

    Raises:
        ConfigError: if c is less than 1 or n c less than B.

    Example:
        >>> weights = skip(np.zeros((4, 2)), 2, np.random.default_rng(0))
        >>> weights.shape, (weights > 0).sum(axis=0).max() <= 2
        ((4, 2), np.True_)
    """
    scores = sample_scores(logits, capacity, rng)
    choices = np.argmax(scores, axis=-1)
    return skip_weights(choices, rng.random(choices.shape), scores.shape[-1], capacity)


def skip_weights(
    choices: IntArray, keys: FloatArray, num_experts: int, capacity: int
) -> FloatArray:
    """The weights of `skip` for given samples: all of its chance comes in by the arguments.

    Args:
        choices: z, [..., B].
        keys: [..., B]; an expert keeps the examples with the smallest.
        num_experts: n.
        capacity: c.

    Returns:
        [..., B, n].

    Example:
        >>> skip_weights(np.array([0, 0, 0, 1]), np.array([0.1, 0.9, 0.2, 0.5]), 2, 2).tolist()
        [[1.5, 0.0], [0.0, 0.0], [1.5, 0.0], [0.0, 1.0]]
    """
    wanted = one_hot(choices, num_experts)  # [..., B, n]
    loads = wanted.sum(axis=-2, keepdims=True)  # [..., 1, n]
    kept = first_served(wanted, keys, capacity)
    return np.where(kept, np.maximum(loads / capacity, 1.0), 0.0)


def balanced(logits: npt.ArrayLike, capacity: int, rng: np.random.Generator) -> FloatArray:
    """Gumbel-Matching: the best assignment of log p + Gumbel noise that fits, reweighted.

    Given the noise of all others, z_i = argmax_j of log p(j|x_i) + Gumbel_ij + V_{-i}(j), so
    z_i has the distribution q_i(j), proportional to p(j|x_i) exp(V_{-i}(j)). Weight
    p(z_i|x_i) / q_i(z_i) makes each term unbiased. Every example is computed; where n c = B
    every expert computes exactly c.

    Args:
        logits: [..., B, n]; every leading axis is one more independent batch.
        capacity: c, examples that an expert computes of one batch.
        rng: of the noise.

    Returns:
        Weights [..., B, n], exactly one a row and at most c a column other than 0.

    Raises:
        ConfigError: if c is less than 1 or n c less than B.

    Example:
        >>> weights = balanced(np.zeros((4, 2)), 2, np.random.default_rng(0))
        >>> (weights > 0).sum(axis=0).tolist()
        [2, 2]
    """
    log_probs = log_probabilities(logits, capacity)
    scores = perturb(log_probs, rng)
    choices = assign(scores, capacity)
    log_q = log_softmax(log_probs + value_changes(scores, choices, capacity))
    chosen = one_hot(choices, scores.shape[-1])
    return np.exp(np.where(chosen, log_probs - log_q, -np.inf))
