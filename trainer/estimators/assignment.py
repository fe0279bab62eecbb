"""The best assignment of a batch to experts under a capacity, and what a slot is worth.

An assignment is an optimum of a transport problem with n experts, so whatever is asked about
its neighbours can be answered on a graph of n nodes, however many examples there are.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from trainer.estimators.capacity import FloatArray, IntArray, check_capacity, one_hot


def assign(scores: FloatArray, capacity: int) -> IntArray:
    """argmax over assignments with at most c examples an expert of sum_i scores[i, z_i].

    Exact. Where n c = B every expert gets exactly c. A batch whose own best experts have
    room for it needs no search; any other is a linear assignment over the n c slots.

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
    slots = min(capacity, batch_size)  # more would never be used
    flat = scores.reshape(-1, batch_size, num_experts)
    choices = np.argmax(flat, axis=-1)  # [batches, B]
    loads = one_hot(choices, num_experts).sum(axis=-2)  # [batches, n]
    for batch in np.flatnonzero((loads > slots).any(axis=-1)):
        by_slot = np.repeat(flat[batch], slots, axis=-1)  # [B, n c]
        choices[batch] = linear_sum_assignment(by_slot, maximize=True)[1] // slots
    return np.asarray(choices.reshape(scores.shape[:-1]))


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
    members = one_hot(choices, num_experts)  # [..., B, n]
    chosen = np.take_along_axis(scores, choices[..., np.newaxis], axis=-1)  # [..., B, 1]
    gains = np.empty((*scores.shape[:-2], num_experts, num_experts))
    for expert in range(num_experts):
        leaving = np.where(members[..., expert, np.newaxis], scores - chosen, -np.inf)
        gains[..., expert, :] = leaving.max(axis=-2)
    has_room = members.sum(axis=-2) < capacity  # [..., n]
    gains = np.where(has_room[..., np.newaxis], np.maximum(gains, 0.0), gains)
    gains[..., np.arange(num_experts), np.arange(num_experts)] = 0.0
    for via in range(num_experts):
        through = gains[..., :, via, np.newaxis] + gains[..., via, np.newaxis, :]
        gains = np.maximum(gains, through)
    return np.asarray(gains)


def value_of_others(scores: FloatArray, choices: IntArray, capacity: int) -> FloatArray:
    """V_{-i}(j): the best total of all examples but i when expert j has one slot less.

    V_{-i}(j) = V - scores[i, z_i] + L(j, z_i), with V the total of the optimum z and L of
    `move_gains`: O(B n^2 + n^3) for all B n of them, without solving anything again. Why:

    - Taking i out of the optimum leaves an optimum of the others with z_i one slot short;
      a better one would make a better whole. That is j = z_i, L = 0.
    - For j != z_i the shortage moves from z_i to j: j gives one example up and z_i takes one
      more. Two assignments differ by one chain from j to z_i and by cycles; cycles never
      gain at an optimum, so the best chain is the answer.
    - i itself must not move in it. It could only move out of z_i, where the chain ends, and a
      best chain visits no expert twice. So one L serves every i.

    Free slots (n c > B) are examples that score 0 everywhere, and change nothing in this.

    Args:
        scores: [..., B, n].
        choices: z, the optimum for `scores` and `capacity`, [..., B].
        capacity: c.

    Returns:
        [..., B, n].

    Example:
        >>> scores = np.array([[2.0, 0.0], [5.0, 1.0]])
        >>> value_of_others(scores, assign(scores, 1), 1).tolist()
        [[1.0, 5.0], [0.0, 2.0]]
    """
    chosen = np.take_along_axis(scores, choices[..., np.newaxis], axis=-1)  # [..., B, 1]
    rest = chosen.sum(axis=-2, keepdims=True) - chosen  # [..., B, 1]
    into = np.swapaxes(move_gains(scores, choices, capacity), -1, -2)  # [..., to, from]
    return np.asarray(rest + np.take_along_axis(into, choices[..., np.newaxis], axis=-2))
