"""Paired Poisson bootstrap over users: how sure is a difference between two models.

A replicate draws for each user how often he counts, from Poisson(1), which for many users
equals drawing users with replacement. Both models and all tasks see the same draw, so what
is hard about a user cancels out of the difference; drawing users and not examples keeps
the dependence between one user's examples (Chamandy et al., 2012; Efron, 1979).
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np

from pipeline.evaluation.comparison import DIRECTIONS, Comparison, Estimate
from pipeline.evaluation.metrics import Samples, TaskStatistics, as_optional
from pipeline.evaluation.options import Metric
from pipeline.evaluation.rows import Floats

# On each side of a 95% interval.
_TAIL = 0.025
# So many weights at a time stay in the processor's cache.
_MAX_WEIGHTS = 1 << 17

Key = TypeVar("Key")


def user_counts(
    num_users: int, num_replicates: int, seed: int, replicates_at_once: int
) -> Iterator[Floats]:
    """Yields how often each user counts, [C, U]: once each, then the replicates' draws.

    The draws depend on the seed alone and not on `replicates_at_once`.
    """
    yield np.ones((1, num_users))
    random = np.random.default_rng(seed)
    for start in range(0, num_replicates, replicates_at_once):
        size = min(replicates_at_once, num_replicates - start)
        yield random.poisson(1.0, size=(size, num_users)).astype(np.float64)


def bootstrap(
    statistics: Mapping[Key, TaskStatistics], num_users: int, num_replicates: int, seed: int
) -> dict[Key, Samples]:
    """Resamples several statistics over the same users together.

    Args:
        statistics: a key a task and model -> its statistics, all over the same U users.
        num_users: U.
        num_replicates: B.
        seed: of the draws.

    Returns:
        Key -> metric -> [1 + B]: the value on the rows as they are, then the replicates';
        NaN where undefined.
    """
    largest = max([num_users, *(s.num_examples for s in statistics.values())])
    chunk = max(1, _MAX_WEIGHTS // largest)
    parts: dict[Key, list[Samples]] = {key: [] for key in statistics}
    for counts in user_counts(num_users, num_replicates, seed, chunk):  # [C, U]
        for key, of_task in statistics.items():
            parts[key].append(of_task.metrics(counts))
    return {
        key: {name: np.concatenate([part[name] for part in chunks]) for name in chunks[0]}
        for key, chunks in parts.items()
    }


def estimate(samples: Floats) -> Estimate:
    """The value and its percentile interval.

    Args:
        samples: [1 + B], the value first. If half of the replicates or more are undefined,
            so is the interval.

    Example:
        >>> estimate(np.array([0.4, *range(81)]))
        Estimate(value=0.4, lower=2.0, upper=78.0)
    """
    value, replicates = as_optional(samples[0]), samples[1:]
    defined = replicates[np.isfinite(replicates)]
    if value is None or 2 * len(defined) <= len(replicates):
        return Estimate(value=value)
    lower, upper = np.quantile(defined, [_TAIL, 1 - _TAIL]).tolist()
    return Estimate(value=value, lower=lower, upper=upper)


def compare(metric: Metric, candidate: Floats, baseline: Floats) -> Comparison:
    """One metric under both models, its difference paired replicate by replicate.

    Args:
        metric: which, for its direction.
        candidate: [1 + B].
        baseline: [1 + B], of the same draws.
    """
    return Comparison(
        direction=DIRECTIONS[metric],
        candidate=estimate(candidate),
        baseline=estimate(baseline),
        difference=estimate(candidate - baseline),
    )
