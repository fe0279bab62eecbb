"""The best assignment of a batch to experts under a capacity, and what a slot is worth.

An assignment is an optimum of a transport problem with n experts, so whatever is asked about
its neighbours can be answered on a graph of n nodes, however many examples there are.
"""

import numpy as np

from trainer.estimators.capacity import FloatArray, IntArray, check_capacity, one_hot
from trainer.estimators.chains import settle
from trainer.estimators.prices import find_prices


def assign(scores: FloatArray, capacity: int) -> IntArray:
    """argmax over assignments with at most c examples an expert of sum_i scores[i, z_i].

    Exact. Where n c = B every expert gets exactly c. Prices bring all but a few examples to
    where they can stay, chains of moves bring the rest: O(B n) for a few sweeps and chains,
    where a linear assignment over the n c slots takes O(B^3).

    Args:
        scores: [..., B, n].
        capacity: c.

    Returns:
        z, [..., B].

    Raises:
        ConfigError: if c is less than 1 or n c less than B.

    Example:
        >>> assign(np.array([[2.0, 0.0], [5.0, 1.0]]), capacity=1).tolist()
        [1, 0]
    """
    batch_size, num_experts = scores.shape[-2:]
    check_capacity(batch_size, num_experts, capacity)
    by_expert = np.ascontiguousarray(  # [S, n, B]
        np.swapaxes(scores.reshape(-1, batch_size, num_experts), -1, -2)
    )
    market = find_prices(by_expert, capacity)
    for batch in np.flatnonzero(~market.cleared):
        market.choices[batch] = settle(
            by_expert[batch], market.prices[batch], market.choices[batch], capacity
        )
    return market.choices.reshape(scores.shape[:-1])


def move_gains(scores: FloatArray, choices: IntArray, capacity: int) -> FloatArray:
    """L(a, b): the most that the total changes when expert a gives one example away and b
    gets one more, over all chains of moves a -> ... -> b of other examples between them.

    One move a -> b changes the total by max over z_i = a of scores[i, b] - scores[i, a], and by
    nothing if a has a free slot to give. Chains are longest paths over the n experts
    (Floyd-Warshall); an optimal assignment has no cycle that gains, so they exist.

    Args:
        scores: [..., B, n].
        choices: z, the optimum for `scores` and `capacity`, [..., B].
        capacity: c.

    Returns:
        [..., n, n], 0 on the diagonal.

    Example:
        >>> move_gains(np.array([[2.0, 0.0], [5.0, 1.0]]), np.array([1, 0]), 1).tolist()
        [[0.0, -4.0], [2.0, 0.0]]
    """
    num_experts = scores.shape[-1]
    members = np.ascontiguousarray(np.swapaxes(one_hot(choices, num_experts), -1, -2))
    chosen = np.take_along_axis(scores, choices[..., np.newaxis], axis=-1)  # [..., B, 1]
    changes = np.ascontiguousarray(np.swapaxes(scores - chosen, -1, -2))  # [..., n, B]
    gains = np.empty((*scores.shape[:-2], num_experts, num_experts))
    for expert in range(num_experts):
        leaving = np.where(members[..., expert, np.newaxis, :], changes, -np.inf)
        gains[..., expert, :] = leaving.max(axis=-1)
    has_room = members.sum(axis=-1) < capacity  # [..., n]
    gains = np.where(has_room[..., np.newaxis], np.maximum(gains, 0.0), gains)
    gains[..., np.arange(num_experts), np.arange(num_experts)] = 0.0
    for via in range(num_experts):
        through = gains[..., :, via, np.newaxis] + gains[..., via, np.newaxis, :]
        gains = np.maximum(gains, through)
    return np.asarray(gains)


def value_changes(scores: FloatArray, choices: IntArray, capacity: int) -> FloatArray:
    """V_{-i}(j) - V_{-i}(z_i), V_{-i}(j) the best total of all examples but i when expert j
    has one slot less.

    It is L(j, z_i) of `move_gains`: O(B n^2 + n^3) for all B n of them, without solving
    anything again. Why:

    - Taking i out of the optimum z leaves an optimum of the others with z_i one slot short;
      a better one would make a better whole. So V_{-i}(z_i) is the total without i.
    - For j != z_i the shortage moves from z_i to j: j gives one example up and z_i takes one
      more. Two assignments differ by one chain from j to z_i and by cycles; cycles never
      gain at an optimum, so the best chain is the answer.
    - i itself must not move in it. It could only move out of z_i, where the chain ends, and a
      best chain visits no expert twice. So one L serves every i.

    Free slots (n c > B) are examples that score 0 everywhere, and change nothing in this.
    The total itself would only round the difference away.

    Args:
        scores: [..., B, n].
        choices: z, the optimum for `scores` and `capacity`, [..., B].
        capacity: c.

    Returns:
        [..., B, n], 0 at z_i.

    Example:
        >>> scores = np.array([[2.0, 0.0], [5.0, 1.0]])
        >>> value_changes(scores, assign(scores, 1), 1).tolist()
        [[-4.0, 0.0], [0.0, 2.0]]
    """
    into = np.swapaxes(move_gains(scores, choices, capacity), -1, -2)  # [..., to, from]
    return np.take_along_axis(into, choices[..., np.newaxis], axis=-2)
