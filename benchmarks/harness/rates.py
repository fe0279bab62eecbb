"""One optimizer step for many runs that each have a learning rate of their own."""

from collections.abc import Sequence

import tensorflow as tf


def apply_at_rates(
    optimizer: tf.keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
    rates: Sequence[tf.Tensor],
) -> None:
    """Moves each element of a variable by the optimizer's change times a rate of its own.

    Args:
        optimizer: with learning rate 1, whose step is linear in it.
        gradients: of the sum of the runs' objectives.
        variables: that hold several runs.
        rates: learning rates in a shape that goes with each variable's.

    Example:
        >>> both = tf.Variable([1.0, 1.0])
        >>> apply_at_rates(
        ...     tf.keras.optimizers.SGD(1.0), [tf.ones([2])], [both], [tf.constant([0.5, 0.0])]
        ... )
        >>> both.numpy().tolist()
        [0.5, 1.0]
    """
    before = [tf.identity(variable) for variable in variables]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    for old, variable, rate in zip(before, variables, rates, strict=True):
        variable.assign(old + rate * (variable - old))
