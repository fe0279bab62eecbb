"""Prices at which the experts of a batch are wanted by just about as many as they have room for.

The dual of the assignment: with a price p_j for a slot of expert j, every example takes the
expert with the largest score[i, j] - p_j. It has n unknowns, however many examples there are.
"""

from typing import NamedTuple

import numpy as np

from trainer.estimators.capacity import BoolArray, FloatArray, IntArray


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

    That is coordinate descent on the dual, from prices of 0. It goes on while a sweep over
    the experts at least halves the number of examples that are too many somewhere. It may
    end some examples short of the optimum, as the dual has edges.

    Args:
        scores: [S, n, B].
        capacity: c, with n c at least B.

    Example:
        >>> market = find_prices(np.array([[[2.0, 5.0], [0.0, 1.0]]]), capacity=1)
        >>> market.prices.tolist(), market.choices.tolist(), market.cleared.tolist()
        ([[3.0, 0.0]], [[1, 0]], [True])
    """
    num_experts, batch_size = scores.shape[-2:]
    prices = np.zeros(scores.shape[:-1])  # [S, n]
    choices = np.argmax(scores, axis=-2)
    misplaced = count_misplaced(choices, prices, capacity)
    moving = np.flatnonzero(misplaced)
    # Where every slot is used only differences of prices count, and they may be negative.
    lowest = 0.0 if num_experts * capacity > batch_size else -np.inf
    while moving.size:
        prices[moving], choices[moving] = _sweep(scores[moving], prices[moving], capacity, lowest)
        before = misplaced[moving]
        misplaced[moving] = count_misplaced(choices[moving], prices[moving], capacity)
        moving = moving[(misplaced[moving] > 0) & (misplaced[moving] < before)]
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


def _sweep(
    scores: FloatArray, prices: FloatArray, capacity: int, lowest: float
) -> tuple[FloatArray, IntArray]:
    """Prices after each expert's turn, and the choices at them."""
    num_experts, batch_size = scores.shape[-2:]
    net = scores - prices[..., np.newaxis]  # [S, n, B]
    last = batch_size - capacity  # the c-th largest is the last that has room
    for expert in range(num_experts):
        others = np.maximum(
            net[:, :expert].max(axis=1, initial=-np.inf),
            net[:, expert + 1 :].max(axis=1, initial=-np.inf),
        )
        offers = scores[:, expert] - others  # the highest price at which each would come, [S, B]
        around = np.partition(offers, (last - 1, last), axis=-1)[:, last - 1 : last + 1]
        prices[:, expert] = np.maximum(around.mean(axis=-1), lowest)
        net[:, expert] = scores[:, expert] - prices[:, expert, np.newaxis]
    return prices, np.argmax(net, axis=-2)
