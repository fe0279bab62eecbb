"""TensorFlow Transform's graph as a part of the graph that is served."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.core.framework import graph_pb2, node_def_pb2

from transforms.preprocessing import missing_name, words_name


class TransformGraph(tf.Module):
    """Raw features to transformed ones, for those features that are given.

    TensorFlow Transform's own layer calls the whole graph as a function, which makes up the
    features that are not given, and which the runtime neither merges with the rest nor folds:
    at serving that call costs as much as the experts of a hundred candidates. Here the ops
    that the given features need become ops of the caller.

    Args:
        transform: the analysed transform graph.
    """

    def __init__(self, transform: tft.TFTransformOutput) -> None:
        super().__init__(name="transform")
        # It owns the tables of the vocabularies.
        self.saved = tf.saved_model.load(transform.transform_savedmodel_dir)
        function = self.saved.transform_fn
        count = len(function.inputs) - len(function.captured_inputs)
        (inputs,), _ = tf.nest.pack_sequence_as(
            function.structured_input_signature, function.inputs[:count], expand_composites=True
        )
        self._inputs: Mapping[str, Any] = inputs
        self._outputs: Mapping[str, tf.Tensor] = tf.nest.pack_sequence_as(
            function.structured_outputs, function.outputs, expand_composites=True
        )
        inner = [tensor.op.name for tensor in function.inputs[count:]]
        self._captures = dict(zip(inner, function.captured_inputs, strict=True))
        self._definition = function.graph.as_graph_def()

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Feature -> raw values [B], or a list's words, sparse [B, *] or filled up [B, M]
        -> what the model reads.

        Only inside of a `tf.function`, and only for features of the transform graph.
        """
        names = [name for feature in raw for name in (feature, missing_name(feature))]
        outputs = {name: self._outputs[name] for name in names if name in self._outputs}
        given = {
            name: value
            for feature, values in raw.items()
            for name, value in zip(self._entries(feature, values), _components(values), strict=True)
        }
        roots = [output.op.name for output in outputs.values()]
        definition, asked = _cut_out(self._definition, roots, {*given, *self._captures})
        captured = {name: _capture(self._captures[name]) for name in sorted(asked - given.keys())}
        inputs = {f"{name}:0": value for name, value in (given | captured).items() if name in asked}
        found = tf.graph_util.import_graph_def(
            definition, inputs, [output.name for output in outputs.values()], name="transform"
        )
        # One user's features are known to be so, whatever way they went.
        rows = next(iter(raw.values())).shape[0]
        for tensor, output in zip(found, outputs.values(), strict=True):
            tensor.set_shape([rows, *output.shape[1:]])
        return dict(zip(outputs, found, strict=True))

    def _entries(self, feature: str, values: Any) -> list[str]:
        """The ops whose outputs the values are."""
        entry = self._inputs[feature]
        if isinstance(entry, tf.SparseTensor) and not isinstance(values, tf.SparseTensor):
            return [words_name(feature)]
        return [tensor.op.name for tensor in _components(entry)]


def _cut_out(
    definition: graph_pb2.GraphDef, roots: Sequence[str], known: Set[str]
) -> tuple[graph_pb2.GraphDef, set[str]]:
    """The ops that the roots need down to those that are known, and the known ones they ask for.

    TensorFlow has look-ups in tables wait for each other, although none changes a table: not
    here, or a look-up of one feature would ask for all the others.
    """
    nodes, left = {node.name: node for node in definition.node}, list(roots)
    needed: set[str] = set()
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            if name not in known:
                left += [source.split(":")[0] for source in _sources(nodes[name])]
    kept = []
    for node in definition.node:
        if node.name in needed - known:
            kept.append(node_def_pb2.NodeDef())
            kept[-1].CopyFrom(node)
            kept[-1].input[:] = _sources(node)
    part = graph_pb2.GraphDef(node=kept, library=definition.library, versions=definition.versions)
    return part, needed & known


def _sources(node: node_def_pb2.NodeDef) -> list[str]:
    return [source for source in node.input if not source.startswith("^")]


def _capture(value: tf.Tensor) -> tf.Tensor:
    """What the analysis found becomes a constant, which the runtime can fold; a table stays."""
    if value.dtype == tf.resource:
        return tf.compat.v1.get_default_graph().capture(value)
    return tf.constant(value.numpy(), value.dtype)


def _components(value: Any) -> list[tf.Tensor]:
    return list(tf.nest.flatten(value, expand_composites=True))
