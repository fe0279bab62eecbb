"""Stacks of ReLU layers that run side by side: all experts, or all tasks' towers, at once."""

from collections.abc import Sequence

import tensorflow as tf


class ParallelDense(tf.keras.layers.Layer):
    """p dense layers with kernels [p, in, out]: y_i = activation(x_i W_i + b_i).

    One batched product in place of a list of layers; pruning is a gather of the kernels.

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
        self.activation = tf.keras.activations.get(activation)

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
        equation = "bi,pio->pbo" if inputs.shape.rank == 2 else "pbi,pio->pbo"
        return self.activation(tf.einsum(equation, inputs, self.kernel) + self.bias)


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
        self.dropout = tf.keras.layers.Dropout(dropout)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, in] or [p, B, in] -> [p, B, last width]."""
        hidden = inputs
        for layer in self.layers:
            hidden = self.dropout(layer(hidden), training=training)
        return hidden
