"""The experts that some task uses, trained in place of all."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer.model.stacks import ParallelStack

# The whole, the part, and which members of the whole are in the part: None if all are.
_Copy = tuple[tf.Variable, tf.Variable, np.ndarray | None]


class LevelUnion(NamedTuple):
    """Of one level of experts.

    Attributes:
        experts: the u that are used.
        indices: their places among all n.
    """

    experts: ParallelStack
    indices: np.ndarray


class ExpertUnion:
    """Copies of the used experts and of the optimizer's slots: forward, backward and update of
    the others fall away.

    The whole model's variables and slots keep their shapes, so that a checkpoint looks the
    same with and without; `write_back` brings them up to date. No Keras layer, and so not
    among the model's weights.

    Args:
        stacks: all n experts of each level.
        indices: of each level the u that are used.
        variables: all that is trained, with those of `stacks`.
        optimizer: of `variables`, built.

    Attributes:
        levels: what is used of each.
        variables: those of the used experts in place of those of `stacks`, in the same order.
        optimizer: of these variables.

    Reference: METHODS section 8.
    """

    def __init__(
        self,
        stacks: Sequence[ParallelStack],
        indices: Sequence[np.ndarray],
        variables: Sequence[tf.Variable],
        optimizer: tf.keras.optimizers.Optimizer,
    ) -> None:
        self.levels = [
            LevelUnion(_narrow(stack, used), used)
            for stack, used in zip(stacks, indices, strict=True)
        ]
        stand_ins = {
            whole.ref(): (part, level.indices)
            for stack, level in zip(stacks, self.levels, strict=True)
            for whole, part in zip(
                stack.trainable_variables, level.experts.trainable_variables, strict=True
            )
        }
        parts = [stand_ins.get(variable.ref(), (variable, None)) for variable in variables]
        self.variables = [part for part, _ in parts]
        self.optimizer = optimizer.from_config(optimizer.get_config())
        self.optimizer.build(self.variables)
        self._copies = [
            *((w, *part) for w, part in zip(variables, parts, strict=True) if part[0] is not w),
            *_pair_slots(optimizer, self.optimizer, [used for _, used in parts]),
        ]
        for whole, part, used in self._copies:
            part.assign(whole if used is None else tf.gather(whole, used))

    @property
    def num_experts(self) -> int:
        """How many are used, of all levels together."""
        return sum(len(level.indices) for level in self.levels)

    def write_back(self) -> None:
        """Gives the whole what has been learnt; unused experts keep theirs."""
        for whole, part, used in self._copies:
            if used is None:
                whole.assign(part)
            else:
                where = used[:, np.newaxis]
                whole.assign(tf.tensor_scatter_nd_update(whole, where, part))


def _narrow(stack: ParallelStack, used: np.ndarray) -> ParallelStack:
    """A stack of as many experts as are used, with variables of its own."""
    widths = [layer.units for layer in stack.layers]
    experts = ParallelStack(len(used), widths, stack.dropout.rate, stack.name)
    fan_in = stack.layers[0].kernel.shape[1]
    experts(tf.zeros([len(used), 1, fan_in]))
    return experts


def _pair_slots(
    whole: tf.keras.optimizers.Optimizer,
    part: tf.keras.optimizers.Optimizer,
    used: Sequence[np.ndarray | None],
) -> list[_Copy]:
    """The state of both optimizers, with what of each whole slot is in the part.

    A variable's slots follow each other, in the order of the variables; what else there is
    of an optimizer comes before them.

    Args:
        whole: of all experts.
        part: of those that are used.
        used: of each variable.
    """
    pairs = list(zip(whole.variables, part.variables, strict=True))
    slots = len(pairs) // len(used)
    first = len(pairs) - slots * len(used)
    return [
        (a, b, used[(i - first) // slots] if i >= first and a.shape != b.shape else None)
        for i, (a, b) in enumerate(pairs)
    ]
