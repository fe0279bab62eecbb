"""The serving signatures: tf.Examples in, or one user and N candidates as columns."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.config import TrainerConfig
from trainer.export.forward import FIRST_POSITION, Forward
from trainer.export.transform_graph import TransformGraph
from trainer.model.inputs import FeatureInputs
from trainer.score import evaluate_score, parse_score
from transforms.examples import POSITION, RANK, SCORE
from transforms.features import Feature, NumberFeature
from transforms.saved_model import CLASSIFY, REGRESS

_CLASSES = (b"0", b"1")
_FUNCTIONS: dict[str, Callable[..., tf.Tensor]] = {
    "log": tf.math.log,
    "exp": tf.math.exp,
    "sqrt": tf.math.sqrt,
    "min": tf.math.minimum,
    "max": tf.math.maximum,
}


class ServedRanker(tf.Module):
    """What is saved: the transform graph, the inputs, the forward pass, the signatures.

    - `serving_default`: serialized tf.Examples [B] -> every task's prediction [B] and
      `score` [B]. An example without `position` is scored as shown first.
    - `predict_<task>`, `predict_<group>`: the same for some tasks; computes their
      experts only.
    - `classify_<task>`, `regress_<task>`: for TensorFlow Serving's APIs of these names.
      Classes `0` and `1` [B, 2] with their probabilities, or the prediction [B].
    - `rank`: user and context features [1], item features [N] -> as serving_default,
      [N]. The user's side is transformed and embedded once. A missing number is NaN, a
      missing word is empty; lists of words are [1 or N, max_values], sequences
      [1 or N, length], filled up with empty words.

    Args:
        config: features, tasks and score.
        transform: the analysed transform graph.
        inputs: the trained embeddings.
        forward: the pass through experts and towers.
    """

    def __init__(
        self,
        config: TrainerConfig,
        transform: tft.TFTransformOutput,
        inputs: FeatureInputs,
        forward: Forward,
    ) -> None:
        super().__init__(name="ranker")
        self.config = config
        self.tasks = tuple(config.tasks)
        self.transform = TransformGraph(transform)
        self.inputs = inputs
        self.forward = forward

    def signatures(self) -> dict[str, Any]:
        """Name -> concrete function."""
        everything = range(len(self.tasks))
        signatures = {
            "serving_default": self._from_examples(everything, with_score=True),
            RANK: self._from_columns(),
        }
        for i, task in enumerate(self.tasks):
            signatures[f"predict_{task}"] = self._from_examples([i], with_score=False)
            is_class = self._task(i).kind == "classification"
            name = f"classify_{task}" if is_class else f"regress_{task}"
            signatures[name] = self._judge(i)
        for group in dict.fromkeys(task.group for task in self.config.tasks.values()):
            members = [i for i in everything if self._task(i).group == group]
            signatures[f"predict_{group}"] = self._from_examples(members, with_score=False)
        return signatures

    def _from_examples(self, tasks: Sequence[int], with_score: bool) -> Any:
        @tf.function(input_signature=[_examples_spec("examples")], autograph=False)
        def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._predict(*self._parse(examples), tasks, with_score)

        return serve.get_concrete_function()

    def _judge(self, index: int) -> Any:
        """The signature by which TensorFlow Serving classifies or regresses."""

        @tf.function(input_signature=[_examples_spec("inputs")], autograph=False)
        def serve(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            (value,) = self._predict(*self._parse(inputs), [index], with_score=False).values()
            if self._task(index).kind == "regression":
                return {"outputs": value}
            classes = tf.tile(tf.constant([_CLASSES]), [tf.size(value), 1])
            return {"classes": classes, "scores": tf.stack([1.0 - value, value], axis=1)}

        return serve.get_concrete_function()

    def _parse(self, examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Serialized tf.Examples [B] -> [B, d] and positions [B]."""
        spec = {n: _parse_spec(f) for n, f in self.config.features.items()}
        spec[POSITION] = tf.io.FixedLenFeature([], tf.int64, FIRST_POSITION)
        with tf.name_scope("parse"):
            raw = tf.io.parse_example(examples, spec)
        position = raw.pop(POSITION)
        transformed = self.transform(raw)
        with tf.name_scope("inputs"):
            return self.inputs(transformed), position

    def column_specs(self) -> dict[str, tf.TensorSpec]:
        """The inputs of `rank`, by feature."""
        return {name: _column_spec(name, f) for name, f in self.config.features.items()}

    def _from_columns(self) -> Any:
        features = self.config.features

        @tf.function(input_signature=[self.column_specs()], autograph=False)
        def rank(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            items = {n: columns[n] for n, f in features.items() if f.of == "item"}
            shared = {n: columns[n] for n, f in features.items() if f.of != "item"}
            size = tf.shape(columns[next(iter(items or shared))])[0]
            parts: dict[str, Any] = {}
            for side in filter(None, (items, shared)):
                transformed = self.transform(side)
                with tf.name_scope("inputs"):
                    parts |= self.inputs.parts(transformed)
            with tf.name_scope("inputs"):
                pooled = self.inputs.pool(parts)
            every_task = range(len(self.tasks))
            logits = self.forward.rank(pooled, size, every_task)
            return self._to_predictions(logits, every_task, True)

        return rank.get_concrete_function()

    def _predict(
        self, inputs: tf.Tensor, position: tf.Tensor, tasks: Sequence[int], with_score: bool
    ) -> dict[str, tf.Tensor]:
        return self._to_predictions(self.forward(inputs, position, tasks), tasks, with_score)

    def _to_predictions(
        self, logits: tf.Tensor, tasks: Sequence[int], with_score: bool
    ) -> dict[str, tf.Tensor]:
        """[t, B] -> the predictions, and the score."""
        with tf.name_scope("score"):
            rows = (tf.unstack(values, num=len(tasks)) for values in (logits, tf.sigmoid(logits)))
            predictions = {
                self.tasks[i]: probability if self._task(i).kind == "classification" else logit
                for i, logit, probability in zip(tasks, *rows, strict=True)
            }
            if not with_score:
                return predictions
            tree = parse_score(self.config.score, self.tasks)
            return {**predictions, SCORE: evaluate_score(tree, predictions, _FUNCTIONS)}

    def _task(self, index: int) -> Any:
        return self.config.tasks[self.tasks[index]]


def method_names(signatures: Iterable[str]) -> dict[str, str]:
    """Signature -> what TensorFlow Serving has to call it, unless it is for Predict.

    Example:
        >>> method_names(["rank", "classify_click"])
        {'classify_click': 'tensorflow/serving/classify'}
    """
    prefixes = {"classify_": CLASSIFY, "regress_": REGRESS}
    return {
        name: method
        for name in signatures
        for prefix, method in prefixes.items()
        if name.startswith(prefix)
    }


def _examples_spec(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


def _parse_spec(feature: Feature) -> Any:
    if isinstance(feature, NumberFeature):
        return tf.io.FixedLenFeature([], tf.float32, float("nan"))
    if feature.list_length is not None:
        return tf.io.VarLenFeature(tf.string)
    return tf.io.FixedLenFeature([], tf.string, "")


def _column_spec(name: str, feature: Feature) -> tf.TensorSpec:
    rows = None if feature.of == "item" else 1
    if isinstance(feature, NumberFeature):
        return tf.TensorSpec([rows], tf.float32, name=name)
    shape = [rows] if feature.list_length is None else [rows, feature.list_length]
    return tf.TensorSpec(shape, tf.string, name=name)
