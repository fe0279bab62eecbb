"""Prices at which the experts of a batch are wanted by just about as many as they have room for.

The dual of the assignment: with a price p_j for a slot of expert j, every example takes the
expert with the largest score[i, j] - p_j. It has n unknowns, however many examples there are.
"""

from typing import NamedTuple

import numpy as np

from trainer.estimators.capacity import BoolArray, FloatArray, IntArray

_MAX_SWEEPS = 50


class Market(NamedTuple):
    """Some batches with the prices of their experts.

    Attributes:
        prices: p, [S, n].
        choices: argmax over j of scores[i, j] - p_j, [S, B].
        cleared: the choices fit, and every expert with a price is full: an optimum, [S].
    """

    prices: FloatArray
    choices: IntArray
    cleared: BoolArray


def find_prices(scores: FloatArray, capacity: int) -> Market:
    """Sets one expert's price after the other so that it is wanted by exactly c examples.

    That is coordinate descent on the dual, from prices of 0. A sweep over the experts moves
    most examples to where they can stay; the dual has edges, so a few may be left over, which
    take less time to settle one by one than further sweeps.

    Args:
        scores: [S, n, B].
        capacity: c, with n c at least B.

    Example:
        >>> market = find_prices(np.array([[[2.0, 5.0], [0.0, 1.0]]]), capacity=1)
        >>> market.prices.tolist(), market.choices.tolist(), market.cleared.tolist()
        ([[3.0, 0.0]], [[1, 0]], [True])
    """
    num_experts = scores.shape[-2]
    prices = np.zeros(scores.shape[:-1])  # [S, n]
    choices = np.argmax(scores, axis=-2)
    misplaced = count_misplaced(choices, prices, capacity)
    moving = np.flatnonzero(misplaced)
    for _ in range(_MAX_SWEEPS):
        if not moving.size:
            break
        prices[moving] = _sweep(scores[moving], prices[moving], capacity)
        choices[moving] = np.argmax(scores[moving] - prices[moving, :, np.newaxis], axis=-2)
        before, left = misplaced[moving], count_misplaced(choices[moving], prices[moving], capacity)
        misplaced[moving] = left
        moving = moving[(left > 0) & ((left < before) | (left > num_experts))]
    return Market(prices, choices, misplaced == 0)


def count_misplaced(choices: IntArray, prices: FloatArray, capacity: int) -> IntArray:
    """How many examples, or free slots of experts that have a price, are not where they can stay.

    Args:
        choices: [S, B].
        prices: [S, n].
        capacity: c.

    Returns:
        [S].

    Example:
        >>> count_misplaced(np.array([[0, 0, 0, 1]]), np.zeros((1, 2)), 2).tolist()
        [1]
    """
    loads = count_loads(choices, prices.shape[-1])
    too_many = np.maximum(loads - capacity, 0).sum(axis=-1)
    # An optimum leaves no slot empty that is worth anything, unless all slots are needed.
    too_few = np.where(prices > 0, np.maximum(capacity - loads, 0), 0).sum(axis=-1)
    all_needed = prices.shape[-1] * capacity == choices.shape[-1]
    return np.asarray(too_many if all_needed else np.maximum(too_many, too_few))


def count_loads(choices: IntArray, num_experts: int) -> IntArray:
    """[S, B] expert numbers -> [S, n], how many examples each has.

    Example:
        >>> count_loads(np.array([[0, 2, 2]]), 3).tolist()
        [[1, 0, 2]]
    """
    rows = np.arange(len(choices))[:, np.newaxis] * num_experts
    loads = np.bincount((choices + rows).ravel(), minlength=len(choices) * num_experts)
    return loads.reshape(len(choices), num_experts)


def _sweep(scores: FloatArray, prices: FloatArray, capacity: int) -> FloatArray:
    """Prices [S, n] after each expert's turn."""
    num_experts, batch_size = scores.shape[-2:]
    # Where every slot is used only differences of prices count, and they may be negative.
    all_needed = num_experts * capacity == batch_size
    net = scores - prices[..., np.newaxis]  # [S, n, B]
    for expert in range(num_experts):
        others = np.maximum(
            net[:, :expert].max(axis=1, initial=-np.inf),
            net[:, expert + 1 :].max(axis=1, initial=-np.inf),
        )
        # The highest price at which each example would come is its offer.
        price = _clearing_price(scores[:, expert] - others, capacity)
        prices[:, expert] = price if all_needed else np.maximum(price, 0.0)
        net[:, expert] = scores[:, expert] - prices[:, expert, np.newaxis]
    return prices if all_needed else _raise_together(scores, prices, capacity)


def _raise_together(scores: FloatArray, prices: FloatArray, capacity: int) -> FloatArray:
    """Prices [S, n] after the m dearest experts have had a turn as one, for each m.

    Experts that all want to be dearer than one with free slots, whose price is 0, would
    only outbid one another in small steps.
    """
    num_experts, batch_size = scores.shape[-2:]
    order = np.argsort(-prices, axis=-1, kind="stable")
    sorted_prices = np.take_along_axis(prices, order, axis=-1)
    net = np.take_along_axis(scores, order[..., np.newaxis], axis=-2)
    net -= sorted_prices[..., np.newaxis]
    for size in range(1, min(num_experts, -(-batch_size // capacity))):
        offers = net[:, :size].max(axis=1) - net[:, size:].max(axis=1)
        lowest = sorted_prices[:, :size].min(axis=-1)
        change = np.maximum(_clearing_price(offers, size * capacity), -lowest)  # [S]
        sorted_prices[:, :size] += change[:, np.newaxis]
        net[:, :size] -= change[:, np.newaxis, np.newaxis]
    np.put_along_axis(prices, order, sorted_prices, axis=-1)
    return prices


def _clearing_price(offers: FloatArray, room: int) -> FloatArray:
    """Halfway between the last of the highest offers [S, B] that has room, and the next, [S]."""
    last = offers.shape[-1] - room
    return np.asarray(np.partition(offers, (last - 1, last))[:, last - 1 : last + 1].mean(axis=-1))
