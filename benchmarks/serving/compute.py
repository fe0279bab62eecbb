"""The pruned graph from its inputs to the logits, and the matrix products in it alone."""

import tensorflow as tf

from benchmarks.harness.latency import Call
from trainer.export.pruned_forward import PrunedForward
from trainer.model.ranker import Ranker


def make_pruned(ranker: Ranker, size: int) -> Call:
    """All tasks' logits of so many rows of noise, by the experts in use."""
    forward = PrunedForward(ranker)
    inputs, position = _noise(ranker, size), tf.ones([size], tf.int64)
    tasks = range(len(ranker.tasks))
    function = tf.function(lambda x, p: forward(x, p, tasks), autograph=False)
    return lambda: function(inputs, position).numpy()


def make_bare(ranker: Ranker, size: int) -> Call:
    """What no way around: rows times each kernel of the union's experts and of the towers."""
    union = ranker.used_experts()[-1]
    experts = [tf.unstack(tf.gather(layer.kernel, union)) for layer in ranker.experts.layers]
    towers = [tf.unstack(layer.kernel) for layer in ranker.towers.layers]
    inputs = _noise(ranker, size)

    @tf.function(autograph=False)
    def multiply(rows: tf.Tensor) -> list[tf.Tensor]:
        hidden = [rows] * len(union)
        for kernels in experts:
            hidden = [x @ kernel for x, kernel in zip(hidden, kernels, strict=True)]
        mixed = [hidden[i % len(union)] for i in range(len(ranker.tasks))]
        for kernels in towers:
            mixed = [x @ kernel for x, kernel in zip(mixed, kernels, strict=True)]
        return mixed

    return lambda: [product.numpy() for product in multiply(inputs)]


def _noise(ranker: Ranker, size: int) -> tf.Tensor:
    width = ranker.experts.layers[0].kernel.shape[1]
    return tf.random.stateless_normal([size, width], seed=(1, 1))
