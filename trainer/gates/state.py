"""What a gate remembers from step to step: variables that no optimizer trains."""

import tensorflow as tf


def add_state(
    layer: tf.keras.layers.Layer,
    name: str,
    shape: tuple[int, ...] = (),
    dtype: tf.DType | None = None,
) -> tf.Variable:
    """A variable of a layer that starts at 0, and is in the checkpoint.

    Every replica computes the same value for it, so that of the first is kept.

    Args:
        layer: whose variable it is.
        name: of the variable.
        shape: of the variable.
        dtype: by default the layer's.

    Example:
        >>> layer = tf.keras.layers.Layer()
        >>> float(add_state(layer, "steps"))
        0.0
        >>> layer.trainable_variables
        []
    """
    return layer.add_weight(
        name,
        shape=shape,
        dtype=dtype,
        initializer="zeros",
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
