"""Classify: tf.Examples in, labels and their scores out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.server.inference.example_inputs import (
    EXAMPLES,
    check_one_input,
    find_signature,
    format_shape,
    run_examples,
)
from serving.server.inference.predict import Model
from serving.server.signatures import Array, Signature, type_name
from serving.server.status import invalid_argument

_CLASSES, _SCORES = "classes", "scores"


@dataclass(frozen=True, slots=True)
class Classifications:
    """What a classifier says of B examples and C classes.

    Attributes:
        labels: [B][C], empty where the model gives scores only.
        scores: [B, C] float32, 0 where the model gives labels only.
    """

    labels: Sequence[Sequence[bytes]]
    scores: Array


def classify(model: Model, signature_name: str, examples: Sequence[bytes]) -> Classifications:
    """Runs a classification signature.

    Args:
        model: a loaded version.
        signature_name: empty for `serving_default`.
        examples: serialized tf.Examples, at least one.

    Raises:
        ServingError: if the signature classifies nothing, or the graph refuses.
    """
    signature = find_signature(model, signature_name)
    feed, fetches = check_classification(signature)
    outputs = run_examples(model, [feed], fetches, examples)
    return to_classifications(signature, len(examples), outputs)


def check_classification(signature: Signature) -> tuple[str, list[str]]:
    """The tensor that takes the examples, and the tensors of classes and scores."""
    check_one_input(signature)
    outputs = signature.outputs
    if len(outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(outputs)}")
    if EXAMPLES not in signature.inputs:
        raise invalid_argument(
            f"No classification inputs found in SignatureDef: {signature.debug_string}"
        )
    fetches = [outputs[alias].name for alias in (_CLASSES, _SCORES) if alias in outputs]
    if not fetches:
        raise invalid_argument(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {signature.debug_string}'
        )
    return signature.inputs[EXAMPLES].name, fetches


def to_classifications(
    signature: Signature, size: int, tensors: Mapping[str, Array]
) -> Classifications:
    """Labels and scores of `size` examples from the fetched tensors, by tensor name."""
    labels, scores = (
        tensors[signature.outputs[alias].name] if alias in signature.outputs else None
        for alias in (_CLASSES, _SCORES)
    )
    for array, alias, dtype in ((labels, _CLASSES, "string"), (scores, _SCORES, "float")):
        if array is not None:
            _check_classes(array, alias, dtype, size)
    if labels is not None and scores is not None and labels.shape[1] != scores.shape[1]:
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). "
            f"Got {labels.shape[1]} vs. {scores.shape[1]}"
        )
    if labels is not None:
        empty_scores = np.zeros(labels.shape, np.float32)
        return Classifications(labels.tolist(), empty_scores if scores is None else scores)
    assert scores is not None, "checked with the signature"
    return Classifications([[b""] * scores.shape[1]] * size, scores)


def _check_classes(array: Array, alias: str, dtype: str, size: int) -> None:
    if array.ndim != 2:
        raise invalid_argument(
            f"Expected Tensor shape: [batch_size num_classes] but got {format_shape(array)}"
        )
    if type_name(array) != dtype:
        raise invalid_argument(
            f"Expected {alias} Tensor of DT_{dtype.upper()}. Got: DT_{type_name(array).upper()}"
        )
    if len(array) != size:
        raise invalid_argument(f"Expected {alias} output batch size of {size}. Got: {len(array)}")
