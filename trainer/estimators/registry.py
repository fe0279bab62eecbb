"""The routers by name, and the estimate that their weights make."""

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from trainer.estimators.biased import greedy, plain_balanced, plain_skip, top_k_dropped
from trainer.estimators.capacity import FloatArray
from trainer.estimators.unbiased import balanced, skip

Router = Callable[[npt.ArrayLike, int, np.random.Generator], FloatArray]
"""(logits [..., B, n], capacity, rng) -> weights [..., B, n]."""

UNBIASED = MappingProxyType[str, Router]({"skip": skip, "balanced": balanced})
"""Routers whose `estimate` has the target as its mean."""

BIASED = MappingProxyType[str, Router](
    {
        "plain_skip": plain_skip,
        "plain_balanced": plain_balanced,
        "greedy": greedy,
        "top_k_dropped": top_k_dropped,
    }
)
"""Routers to compare with."""

ROUTERS = MappingProxyType[str, Router]({**UNBIASED, **BIASED})
"""All routers."""


def estimate(weights: FloatArray, values: npt.ArrayLike) -> FloatArray:
    """(1/B) sum_i sum_j weights[i, j] values[i, j].

    With weights p(j|x_i) in place of a router's it is the target itself.

    Args:
        weights: [..., B, n].
        values: g, [..., B, n, d]: a gradient's d coordinates, say. Leading axes broadcast.

    Returns:
        [..., d].

    Example:
        >>> values = np.array([[3.0, 8.0], [8.0, 5.0]])[..., np.newaxis]
        >>> estimate(np.array([[1.0, 0.0], [0.0, 1.0]]), values).tolist()
        [4.0]
    """
    terms = np.asarray(values, np.float64)
    batch_size, num_experts = weights.shape[-2:]
    row = weights.reshape(*weights.shape[:-2], 1, batch_size * num_experts)
    flat = terms.reshape(*terms.shape[:-3], batch_size * num_experts, terms.shape[-1])
    return np.asarray((row @ flat)[..., 0, :] / batch_size)
