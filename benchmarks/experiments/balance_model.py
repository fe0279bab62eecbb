"""The model of the experiment `balance`: R runs of a per-example gate over small dense experts."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from benchmarks.experiments.mnist_data import NUM_CLASSES
from benchmarks.harness.rates import apply_at_rates
from trainer.gates.base import TaskLogits
from trainer.gates.registry import make_gate, parse_gate
from trainer.gates.top_k import keep_top_k


class Measures(NamedTuple):
    """Of each run, over a split: mean loss [R], accuracy [R], importance of the experts [R, n]."""

    losses: tf.Tensor
    accuracies: tf.Tensor
    importance: tf.Tensor


class SparseExperts(tf.Module):
    """Runs side by side: a run is to the gate what a task is to that of a ranker.

    x [B, d] -> n experts of ReLU units -> mixed by the example's weights -> linear -> class
    logits. All runs see the same batches; each has parameters and a learning rate of its own.

    Args:
        gate: section of the YAML, of a gate with one logit an expert.
        num_experts: n.
        units: of an expert.
        rates: learning rate of each run, [R].
        num_features: d.
    """

    def __init__(
        self,
        gate: dict[str, object],
        num_experts: int,
        units: int,
        rates: Sequence[float],
        num_features: int,
    ) -> None:
        super().__init__("runs")
        self.num_runs, self.num_experts, self.units = len(rates), num_experts, units
        self.rates = tf.constant(rates, tf.float32)
        options = parse_gate(gate)
        self.k = int(getattr(options, "experts_per_task", num_experts))
        self.gate = make_gate(self.num_runs, num_experts, options)
        self.gate(tf.zeros([1, num_features]))
        self.kernel = self._kernel(num_features, units, num_experts * units)
        self.bias = tf.Variable(tf.zeros([self.num_runs, 1, num_experts * units]))
        self.head = self._kernel(units, NUM_CLASSES, NUM_CLASSES)
        self.head_bias = tf.Variable(tf.zeros([self.num_runs, 1, NUM_CLASSES]))
        self.variables_trained = list(self.trainable_variables)
        self.optimizer = tf.keras.optimizers.Adam(1.0)
        self.optimizer.build(self.variables_trained)

    def _kernel(self, fan_in: int, fan_out: int, width: int) -> tf.Variable:
        bound = (6.0 / (fan_in + fan_out)) ** 0.5
        return tf.Variable(tf.random.uniform([self.num_runs, fan_in, width], -bound, bound))

    def all_open(self) -> tf.Tensor:
        """[R, n] bool: every expert may be used."""
        return tf.ones([self.num_runs, self.num_experts], tf.bool)

    def predict(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """[B, d] and weights [B, R, n] -> class logits [R, B, classes]."""
        hidden = tf.nn.relu(tf.einsum("bd,rdu->rbu", inputs, self.kernel) + self.bias)
        shape = (self.num_runs, -1, self.num_experts, self.units)
        mixed = tf.einsum("rbnu,brn->rbu", tf.reshape(hidden, shape), weights)
        return tf.matmul(mixed, self.head) + self.head_bias

    @tf.function(jit_compile=True)
    def train_epoch(self, inputs: tf.Tensor, labels: tf.Tensor, order: tf.Tensor) -> None:
        """One step a row of `order`, [steps, B]."""
        for step in tf.range(tf.shape(order)[0]):
            x, y = tf.gather(inputs, order[step]), tf.gather(labels, order[step])
            with tf.GradientTape() as tape:
                output = self.gate(x, training=True)
                losses = self._losses(self.predict(x, output.weights), y)  # [R, B]
                if output.example_weights is not None:
                    losses *= tf.transpose(output.example_weights)
                penalties = tf.add_n([tf.zeros([]), *output.penalties.values()])
                objective = tf.reduce_sum(tf.reduce_mean(losses, axis=1)) + penalties
            gradients = tape.gradient(objective, self.variables_trained)
            rates = [self._rates_of(variable) for variable in self.variables_trained]
            apply_at_rates(self.optimizer, gradients, self.variables_trained, rates)

    @tf.function
    def measure(self, inputs: tf.Tensor, labels: tf.Tensor, is_open: tf.Tensor) -> Measures:
        """The runs as they serve, with some experts switched off.

        Args:
            inputs: [B, d].
            labels: [B].
            is_open: experts that may be used, [R, n].
        """
        logits = self.gate.logits(inputs)  # [B, R, n]
        logits = tf.where(is_open, logits, tf.constant(logits.dtype.min, logits.dtype))
        weights = keep_top_k(logits, self.k)
        predictions = self.predict(inputs, weights)  # [R, B, classes]
        right = tf.argmax(predictions, axis=-1, output_type=labels.dtype) == labels
        return Measures(
            tf.reduce_mean(self._losses(predictions, labels), axis=1),
            tf.reduce_mean(tf.cast(right, tf.float32), axis=1),
            tf.reduce_sum(weights, axis=0),
        )

    def _losses(self, predictions: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Cross-entropy of each example, [R, B]."""
        labels = tf.tile(labels[tf.newaxis], (self.num_runs, 1))
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, predictions)

    def _rates_of(self, variable: tf.Variable) -> tf.Tensor:
        """The runs' learning rates in a shape that goes with the variable's."""
        layers = [layer for layer in self.gate.submodules if isinstance(layer, TaskLogits)]
        if any(variable is layer.kernel for layer in layers):  # [d, R n]: runs side by side
            return tf.repeat(self.rates, self.num_experts)
        return tf.reshape(self.rates, [-1] + [1] * (variable.shape.rank - 1))
