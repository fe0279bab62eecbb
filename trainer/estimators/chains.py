"""Chains of moves that bring the last examples of a batch to where they can stay.

In a batch every example of which has the best expert at some prices, a move from expert a
to b never gains at those prices. The best way to take one example from a full expert to one
with room is then a shortest path over the n experts, and leaves prices for the next.
"""

import numpy as np

from trainer.estimators.capacity import FloatArray, IntArray

_FREE_SLOT = -1


def settle(scores: FloatArray, prices: FloatArray, choices: IntArray, capacity: int) -> IntArray:
    """The best assignment, from one that is the best at its prices but does not fit.

    Successive shortest paths. Free slots count as examples that score 0 everywhere.

    Args:
        scores: [n, B].
        prices: [n].
        choices: argmax over j of scores[j, i] - prices[j], [B].
        capacity: c, with n c at least B.

    Returns:
        [B].

    Example:
        >>> settle(np.array([[2.0, 5.0], [0.0, 1.0]]), np.zeros(2), np.array([0, 0]), 1).tolist()
        [1, 0]
    """
    choices = choices.copy()
    loads = np.bincount(choices, minlength=len(prices))  # [n]
    free = _free_slots(prices, loads, capacity)  # [n]
    taken = loads + free
    while (taken > capacity).any():
        source = int(np.argmax(taken))
        gains, movers = _best_moves(scores - prices[:, np.newaxis], prices, choices, free)
        totals, previous = _longest_paths(gains, source)
        end = int(np.argmax(np.where(taken < capacity, totals, -np.inf)))
        taken[source] -= 1
        taken[end] += 1
        while end != source:
            start, mover = previous[end], movers[previous[end], end]
            if mover == _FREE_SLOT:
                free[start] -= 1
                free[end] += 1
            else:
                choices[mover] = end
            end = start
        # At these prices no move gains, and those of the chain lose nothing.
        prices = prices + totals
    return choices


def _free_slots(prices: FloatArray, loads: IntArray, capacity: int) -> IntArray:
    """Free slots go where they cost least, first of all to experts with room, [n]."""
    total = len(prices) * capacity - int(loads.sum())
    room = np.where(prices == prices.min(), np.maximum(capacity - loads, 0), 0)
    free: IntArray = np.clip(total - (np.cumsum(room) - room), 0, room)
    free[np.argmin(prices)] += total - free.sum()
    return free


def _best_moves(
    net: FloatArray, prices: FloatArray, choices: IntArray, free: IntArray
) -> tuple[FloatArray, IntArray]:
    """The best single move from a to b: what it changes (never a gain), and who moves.

    Both [n, n], -inf and nobody out of an expert that has nothing to give.
    """
    num_experts = len(net)
    gains = np.full((num_experts, num_experts), -np.inf)
    movers = np.full((num_experts, num_experts), _FREE_SLOT)
    for expert in range(num_experts):
        members = np.flatnonzero(choices == expert)
        if members.size:
            changes = net[:, members] - net[expert, members]  # [n, members]
            best = np.argmax(changes, axis=-1)
            gains[expert], movers[expert] = changes[np.arange(num_experts), best], members[best]
        if free[expert]:
            emptied = prices[expert] - prices
            movers[expert] = np.where(emptied > gains[expert], _FREE_SLOT, movers[expert])
            gains[expert] = np.maximum(gains[expert], emptied)
    # Rounding must not make a cycle that gains.
    return np.minimum(gains, 0.0), movers


def _longest_paths(gains: FloatArray, source: int) -> tuple[FloatArray, IntArray]:
    """Dijkstra: the best total from the source to each expert [n], and the one before it [n]."""
    num_experts = len(gains)
    totals, previous = np.full(num_experts, -np.inf), np.full(num_experts, source)
    totals[source] = 0.0
    waiting = np.ones(num_experts, bool)
    for _ in range(num_experts):
        expert = int(np.argmax(np.where(waiting, totals, -np.inf)))
        waiting[expert] = False
        through = totals[expert] + gains[expert]
        better = waiting & (through > totals)
        totals[better], previous[better] = through[better], expert
    return totals, previous
