"""From the inputs through one level of experts after another to what each task gets of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer.gates.base import GateOutput
from trainer.model.expert_union import ExpertUnion
from trainer.model.stacks import ParallelStack, mix

RunExperts = Callable[[ParallelStack, tf.Tensor, tf.Tensor, bool], tf.Tensor]
"""Experts, what they read, the weights that they get, training -> their outputs [n, B, e].

What has no weight may be 0.
"""


class LevelUse(NamedTuple):
    """What of a level of experts some tasks need.

    Attributes:
        experts: the places of the experts, rising.
        rows: for whom they are mixed: tasks, and T for the shared experts of the next level.
    """

    experts: np.ndarray
    rows: np.ndarray


def find_use(
    selected: Sequence[np.ndarray], owners: Sequence[np.ndarray], tasks: Sequence[int] | np.ndarray
) -> list[LevelUse]:
    """What some tasks need of each level, from the last level down to the first.

    Args:
        selected: of each level who uses which expert, bool: [T + 1, n], of the last [T, n].
        owners: of each level whose each expert is, [n]; T where all share it.
        tasks: the tasks.

    Example:
        >>> below, last = np.array([[1, 0], [0, 1], [0, 1]]) > 0, np.array([[1, 0], [0, 1]]) > 0
        >>> owners = [np.array([2, 0])] * 2
        >>> [use.experts.tolist() for use in find_use([below, last], owners, [0])]
        [[1], [0]]
    """
    uses, rows = [], np.asarray(tasks)
    for level, readers in zip(reversed(selected), reversed(owners), strict=True):
        experts = np.flatnonzero(level[rows].any(axis=0))
        uses.append(LevelUse(experts, rows))
        rows = np.unique(readers[experts])
    return uses[::-1]


def run_all(
    stack: ParallelStack, hidden: tf.Tensor, weights: tf.Tensor, training: bool
) -> tf.Tensor:
    """Every expert on every example."""
    return stack(hidden, training=training)


def mix_experts(
    hidden: tf.Tensor,
    gate: GateOutput,
    levels: Sequence[ParallelStack],
    owners: np.ndarray,
    union: ExpertUnion | None,
    training: bool,
    run: RunExperts = run_all,
) -> tf.Tensor:
    """[B, d] and the gate's weights -> each task's mixture of the last level, [T, B, e].

    Args:
        hidden: the inputs.
        gate: its output.
        levels: all experts of each level.
        owners: whose each expert is, [n]; T where all share it.
        union: of each level the experts that are computed in place of all; the weights of
            the others are 0.
        training: whether experts drop units.
        run: how they are computed.
    """
    for level, (stack, weights) in enumerate(zip(levels, (*gate.lower, gate.weights), strict=True)):
        readers = owners
        if union is not None:
            stack, used = union.levels[level]
            weights, readers = tf.gather(weights, used, axis=-1), owners[used]
        if level:
            hidden = tf.gather(hidden, readers)  # [n or u, B, e]
        experts = run(stack, hidden, weights, training)  # [n or u, B, e]
        hidden = mix(weights, experts)
    return hidden
