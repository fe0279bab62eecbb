"""MultiInference: several classification and regression tasks in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.server.inference.classify import (
    Classifications,
    check_classification,
    to_classifications,
)
from serving.server.inference.example_inputs import run_examples
from serving.server.inference.predict import Model
from serving.server.inference.regress import check_regression, to_regressions
from serving.server.signatures import DEFAULT_SIGNATURE, Array, Signature
from serving.server.status import Code, ServingError, invalid_argument
from transforms.saved_model import CLASSIFY, REGRESS


@dataclass(frozen=True, slots=True)
class Task:
    """One question of a multi-inference request.

    Attributes:
        model_name: all tasks of a request name the same.
        signature_name: empty for `serving_default`.
        method_name: `CLASSIFY` or `REGRESS`.
    """

    model_name: str
    signature_name: str
    method_name: str


def infer(
    model: Model, tasks: Sequence[Task], examples: Sequence[bytes]
) -> list[Classifications | Array]:
    """Answers several tasks about the same examples in one pass through the graph.

    Args:
        model: a loaded version.
        tasks: each with a signature of its own.
        examples: serialized tf.Examples, at least one.

    Returns:
        One answer a task.

    Raises:
        ServingError: if a task names no signature of its kind, or two name the same.
    """
    signatures: dict[str, Signature] = {}
    feeds, fetches = set[str](), set[str]()
    for task in tasks:
        _check_model_name(task, tasks[0])
        name = task.signature_name or DEFAULT_SIGNATURE
        if name in signatures:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        if name not in model.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        signatures[name] = model.signatures[name]
        feed, outputs = _check(task.method_name, signatures[name])
        feeds.add(feed)
        fetches.update(outputs)
    answers = run_examples(model, sorted(feeds), sorted(fetches), examples)
    return [
        to_classifications(signature, len(examples), answers)
        if task.method_name == CLASSIFY
        else to_regressions(signature, len(examples), answers)
        for task, signature in zip(tasks, signatures.values(), strict=True)
    ]


def _check_model_name(task: Task, first: Task) -> None:
    if not task.model_name:
        raise invalid_argument("Found ModelSpec with an empty model name.")
    if task.model_name != first.model_name:
        raise invalid_argument(
            "All ModelSpecs in a MultiInferenceRequest must access the same model name."
        )


def _check(method_name: str, signature: Signature) -> tuple[str, list[str]]:
    if method_name == CLASSIFY:
        return check_classification(signature)
    if method_name == REGRESS:
        return check_regression(signature)
    raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {method_name}")
