"""Each expert on the examples that use it."""

import tensorflow as tf

from trainer.model.stacks import ParallelStack


def run_selected(
    stack: ParallelStack, hidden: tf.Tensor, weights: tf.Tensor, training: bool
) -> tf.Tensor:
    """Experts at serving under a gate that decides for each example: see `RunExperts`.

    An expert that no example of the request uses costs nothing; one that most use computes
    all, for taking out and putting back then costs more than what it spares.

    Args:
        stack: n experts.
        hidden: [B, in] for all, or [n, B, in].
        weights: [B, rows, n]; 0 is no use.
        training: False.

    Returns:
        [n, B, e].
    """
    assert not training
    uses = tf.reduce_any(weights != 0.0, axis=1)  # [B, n]
    counts = tf.math.count_nonzero(uses, axis=0, dtype=tf.int32)
    size, num_experts = tf.shape(uses)[0], uses.shape[1]
    read = tf.unstack(hidden) if hidden.shape.rank == 3 else [hidden] * num_experts
    outputs = []
    for expert, x in enumerate(read):

        def compute(rows: tf.Tensor, expert: int = expert) -> tf.Tensor:
            for layer in stack.layers:
                product = tf.nn.bias_add(rows @ layer.kernel[expert], layer.bias[expert, 0])
                rows = layer.activation(product)
            return rows

        def compute_used(x: tf.Tensor = x, expert: int = expert) -> tf.Tensor:
            places = tf.cast(tf.where(uses[:, expert]), tf.int32)  # [m, 1]
            rows = compute(tf.gather_nd(x, places), expert)
            return tf.scatter_nd(places, rows, tf.stack([size, rows.shape[1]]))

        outputs.append(
            tf.cond(2 * counts[expert] > size, lambda x=x, f=compute: f(x), compute_used)
        )
    return tf.stack(outputs)
