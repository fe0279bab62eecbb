"""Floating-point operations of a step, counted by TensorFlow's profiler on its graph."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import graph_util, ops

_profiler = tf.compat.v1.profiler


# The profiler knows the matrix products but not Einsum, and has no public way to be told.
@ops.RegisterStatistics("Einsum", "flops")
def _count_einsum(graph: tf.Graph, node: Any) -> ops.OpStats:
    """2 times the product of the sizes of all labels: one product and one sum for each."""
    inputs, _, output = node.attr["equation"].s.decode().partition("->")
    shapes = [graph_util.tensor_shape_from_node_def_name(graph, name) for name in node.input]
    shapes.append(graph_util.tensor_shape_from_node_def_name(graph, node.name))
    sizes: dict[str, int] = {}
    for labels, shape in zip([*inputs.split(","), output], shapes, strict=True):
        sizes |= dict(zip(labels, shape.as_list(), strict=True))
    return ops.OpStats("flops", 2 * math.prod(sizes.values()))


def count_flops(step: Callable[..., Any], *inputs: tf.TensorSpec) -> int:
    """Traces a step and counts its operations.

    What the profiler knows no cost of, such as ReLU, gathers and random numbers, counts
    0: products of matrices are what costs.

    Args:
        step: what `tf.function` can trace.
        inputs: with sizes that are all known.

    Raises:
        ValueError: if an operation's size is not known before it runs, which the profiler
            would leave out in silence.

    Example:
        >>> count_flops(lambda x: tf.einsum("bi,pbj->pij", x, tf.ones([2, 3, 5])),
        ...             tf.TensorSpec([3, 4]))
        240
    """
    graph = tf.function(step).get_concrete_function(*inputs).graph
    _check_sizes(graph)
    options = _profiler.ProfileOptionBuilder(_profiler.ProfileOptionBuilder.float_operation())
    profile = _profiler.profile(graph, cmd="op", options=options.with_empty_output().build())
    count: int = profile.total_float_ops
    return count


def _check_sizes(graph: tf.Graph) -> None:
    for operation in graph.get_operations():
        if operation.type in ("MatMul", "BatchMatMulV2", "Einsum"):
            for tensor in itertools.chain(operation.inputs, operation.outputs):
                if not tensor.shape.is_fully_defined():
                    raise ValueError(
                        f"the size of `{tensor.name}` must be known to be counted. Received: "
                        f"{tensor.shape}"
                    )
