"""The model of the experiment `multi_mnist`: convolutional experts, a static gate, two towers."""

from math import prod
from typing import NamedTuple

import tensorflow as tf

from benchmarks.experiments.mnist_data import NUM_CLASSES
from benchmarks.experiments.multi_mnist_data import CANVAS, TASKS
from benchmarks.harness.static_runs import StaticRuns
from trainer.gates.registry import parse_gate
from trainer.model.stacks import ParallelDense, ParallelStack

_FILTERS = (10, 20)
_KERNEL = 5
_UNITS = 50
_TOWER_UNITS = (50, 50)


class Measures(NamedTuple):
    """Over a split: cross-entropy summed over tasks, and the accuracy of each task, [T]."""

    loss: tf.Tensor
    accuracies: tf.Tensor


class ConvExperts(tf.Module):
    """n experts: twice convolution, maximum of 2 x 2 and ReLU, then a dense layer.

    One expert after the other: of what TensorFlow has for a processor, this was quickest. A
    grouped convolution took as long, matrix products over patches and XLA two to three times
    as long, XLA's gradient of a grouped convolution fifty times.

    Args:
        num_experts: n.
    """

    def __init__(self, num_experts: int) -> None:
        super().__init__("experts")
        self.layers: list[tuple[tf.Variable, tf.Variable]] = []
        side, channels = CANVAS, 1
        for filters in _FILTERS:
            self._add(num_experts, (_KERNEL, _KERNEL, channels, filters))
            side, channels = (side - _KERNEL + 1) // 2, filters
        self._add(num_experts, (side * side * channels, _UNITS))

    def _add(self, num_experts: int, shape: tuple[int, ...]) -> None:
        *window, inputs, outputs = shape
        # Glorot's bound for one expert; n is no part of the fan.
        bound = (6.0 / (prod(window) * (inputs + outputs))) ** 0.5
        kernel = tf.random.uniform((num_experts, *shape), -bound, bound)
        self.layers.append((tf.Variable(kernel), tf.Variable(tf.zeros((num_experts, shape[-1])))))

    def __call__(self, images: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        """[B, 36, 36, 1] and the u experts to compute -> [u, B, 50]."""
        layers = tf.nest.map_structure(lambda variable: tf.gather(variable, indices), self.layers)
        return tf.map_fn(
            lambda of_one: _compute(images, of_one), layers, fn_output_signature=tf.float32
        )


def _compute(images: tf.Tensor, layers: list[tuple[tf.Tensor, tf.Tensor]]) -> tf.Tensor:
    """One expert: [B, 36, 36, 1] -> [B, 50]."""
    *convolutions, (last, last_bias) = layers
    hidden = images
    for kernel, bias in convolutions:
        hidden = tf.nn.conv2d(hidden, kernel, strides=1, padding="VALID")
        # Bias and ReLU go with a maximum, and there is four times less of it.
        hidden = tf.nn.relu(tf.nn.max_pool2d(hidden, 2, 2, "VALID") + bias)
    flat = tf.reshape(hidden, (-1, last.shape[0]))  # [B, 6 * 6 * 20]
    return tf.nn.relu(tf.matmul(flat, last) + last_bias)


class PairModel(StaticRuns):
    """One run. An expert that no task uses is not computed; its gradient would be 0.

    Args:
        gate: section of the YAML.
        num_experts: n.
        learning_rate: of all parameters.
    """

    def __init__(self, gate: dict[str, object], num_experts: int, learning_rate: float) -> None:
        count = parse_gate(gate).count_experts(num_experts)
        super().__init__(gate, len(TASKS), count, [learning_rate])
        self.experts = ConvExperts(count)
        self.towers = ParallelStack(len(TASKS), _TOWER_UNITS, 0.0, "towers")
        self.heads = ParallelDense(len(TASKS), NUM_CLASSES, None, "heads")
        self.predict(tf.zeros([1, CANVAS, CANVAS], tf.uint8), training=False)
        self.variables_trained = list(self.trainable_variables)
        self.optimizer = tf.keras.optimizers.Adam(1.0)
        self.optimizer.build(self.variables_trained)

    def predict(self, images: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, 36, 36] in 0..255 -> class logits [T, B, classes], and the penalties."""
        run_weights, penalties = self.weights(training)
        weights = run_weights[0]  # [T, n]
        used = tf.where(tf.reduce_any(weights > 0.0, axis=0))[:, 0]  # [u]
        inputs = tf.cast(images[..., tf.newaxis], tf.float32) / 255.0
        experts = self.experts(inputs, used)  # [u, B, 50]
        mixed = tf.einsum("tu,ube->tbe", tf.gather(weights, used, axis=1), experts)
        return self.heads(self.towers(mixed, training=training)), penalties

    @tf.function
    def train_epoch(self, images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor) -> None:
        """One step a row of `order`, [steps, B]; the loss is summed over tasks."""
        for step in tf.range(tf.shape(order)[0]):
            x, y = tf.gather(images, order[step]), tf.gather(labels, order[step])
            with tf.GradientTape() as tape:
                logits, penalties = self.predict(x, training=True)
                loss = tf.reduce_sum(tf.reduce_mean(cross_entropy(logits, y), axis=1)) + penalties
            gradients = tape.gradient(loss, self.variables_trained)
            self.apply(self.optimizer, gradients, self.variables_trained)

    @tf.function
    def measure(self, images: tf.Tensor, labels: tf.Tensor, batch_size: int) -> Measures:
        """The model as it serves, `batch_size` images at a time."""
        total = Measures(tf.zeros([]), tf.zeros([len(TASKS)]))
        for start in tf.range(0, tf.shape(images)[0], batch_size):
            x, y = images[start : start + batch_size], labels[start : start + batch_size]
            logits, _ = self.predict(x, training=False)
            right = tf.argmax(logits, axis=-1, output_type=tf.int32) == tf.transpose(y)
            total = Measures(
                total.loss + tf.reduce_sum(cross_entropy(logits, y)),
                total.accuracies + tf.reduce_sum(tf.cast(right, tf.float32), axis=1),
            )
        count = tf.cast(tf.shape(images)[0], tf.float32)
        return Measures(total.loss / count, total.accuracies / count)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """[T, B, classes] and labels [B, T] -> [T, B]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.transpose(labels), logits)
