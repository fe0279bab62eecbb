"""Stacks of ReLU layers that run side by side: all experts, or all tasks' towers, at once."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from trainer.noise import Dropout

Activation = Callable[[tf.Tensor], tf.Tensor]

# More layers are one batched product, lest the graph grows with them.
_MAX_PRODUCTS = 64


class ParallelDense(tf.keras.layers.Layer):
    """p dense layers with kernels [p, in, out]: y_i = activation(x_i W_i + b_i).

    One kernel in place of a list of layers; pruning is a gather of the kernels.

    Args:
        parallel: p, how many run side by side.
        units: width of each.
        activation: `relu`, or None for a linear layer.
        name: of the layer.

    Example:
        >>> ParallelDense(3, 5, "relu", "layer")(tf.ones([2, 4])).shape
        TensorShape([3, 2, 5])
    """

    def __init__(self, parallel: int, units: int, activation: str | None, name: str) -> None:
        super().__init__(name=name)
        self.parallel = parallel
        self.units = units
        self.activation: Activation = tf.keras.activations.get(activation)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the kernels [p, in, out], each initialised as a layer of its own."""
        fan_in = int(input_shape[-1])
        # Glorot's bound for one layer; Keras would take p for a part of the fan.
        bound = (6.0 / (fan_in + self.units)) ** 0.5
        self.kernel = self.add_weight(
            "kernel",
            shape=(self.parallel, fan_in, self.units),
            initializer=tf.keras.initializers.RandomUniform(-bound, bound),
        )
        self.bias = self.add_weight(
            "bias", shape=(self.parallel, 1, self.units), initializer="zeros"
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[B, in], shared by all, or [p, B, in] -> [p, B, units]."""
        return apply_parallel(inputs, self.kernel, self.bias, self.activation)


def apply_parallel(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, activation: Activation
) -> tf.Tensor:
    """activation(x_i W_i + b_i) side by side, in the way that TensorFlow computes fastest.

    Args:
        inputs: [B, in], shared by all, or [p, B, in].
        kernel: [p, in, units].
        bias: [p, 1, units].
        activation: of each number.

    Returns:
        [p, B, units].
    """
    if inputs.shape.rank == 3:
        return activation(tf.matmul(inputs, kernel) + bias)
    if kernel.shape[0] > _MAX_PRODUCTS:
        return activation(tf.matmul(inputs[tf.newaxis], kernel) + bias)
    # A product of two matrices takes its bias and activation in, a batched one does not: half
    # the time, forward and backward, of 8 layers of 256.
    pairs = zip(tf.unstack(kernel), tf.unstack(bias[:, 0]), strict=True)
    return tf.stack([activation(tf.nn.bias_add(inputs @ k, b)) for k, b in pairs])


class ParallelStack(tf.keras.layers.Layer):
    """p stacks of ReLU layers with dropout, side by side.

    Args:
        parallel: p.
        units: widths of the layers, first to last; may be empty.
        dropout: after each layer.
        name: `experts` or `towers`.
    """

    def __init__(self, parallel: int, units: Sequence[int], dropout: float, name: str) -> None:
        super().__init__(name=name)
        self.layers = [
            ParallelDense(parallel, width, "relu", f"layer_{i}") for i, width in enumerate(units)
        ]
        self.dropout = Dropout(dropout)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, in] or [p, B, in] -> [p, B, last width]."""
        hidden = inputs
        for layer in self.layers:
            hidden = self.dropout(layer(hidden), training=training)
        return hidden


def mix(weights: tf.Tensor, stacked: tf.Tensor) -> tf.Tensor:
    """sum_n weights[.., t, n] * stacked[n, b]: what each task gets of the experts.

    Args:
        weights: [T, n], or [B, T, n] of a per-example gate.
        stacked: [n, B, e].

    Returns:
        [T, B, e].
    """
    weights = tf.cast(weights, stacked.dtype)
    if weights.shape.rank == 3:
        return tf.einsum("btn,nbe->tbe", weights, stacked)
    # One product of two matrices takes half the time of what einsum makes of it.
    experts, width = stacked.shape[0], stacked.shape[-1]
    mixed = tf.matmul(weights, tf.reshape(stacked, [experts, -1]))
    return tf.reshape(mixed, [weights.shape[0], -1, width])
