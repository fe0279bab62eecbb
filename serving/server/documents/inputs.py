"""The inputs of a JSON predict request: by rows (`instances`) or by columns (`inputs`)."""

from collections.abc import Mapping
from dataclasses import dataclass

from serving.server.documents.columns import MAX_RANK, IrregularError, to_array
from serving.server.documents.document import read_document, read_exact_doubles
from serving.server.documents.printer import debug_string
from serving.server.documents.rows import read_rows
from serving.server.documents.types import Json
from serving.server.documents.values import ValueCollector, is_base64
from serving.server.signatures import Array, Signature, TensorSpec
from serving.server.status import invalid_argument


@dataclass(frozen=True, slots=True)
class PredictBody:
    """A predict request's body, parsed but not yet held against a signature.

    Attributes:
        document: the JSON object.
        signature_name: empty if it names none.
        text: the body itself.
    """

    document: Json
    signature_name: str
    text: bytes

    def columns(self) -> frozenset[str]:
        """The names of its inputs, if it came by columns and has names."""
        inputs = self.document.get("inputs")
        return frozenset(inputs) if isinstance(inputs, dict) else frozenset()


def read_predict_body(body: bytes) -> PredictBody:
    """Parses a predict request's body.

    Raises:
        ServingError: INVALID_ARGUMENT if it is no JSON object.

    Example:
        >>> read_predict_body(b'{"signature_name": "rank", "inputs": [1]}').signature_name
        'rank'
    """
    document = read_object(body)
    return PredictBody(document, read_signature_name(document), body)


def read_object(body: bytes) -> Json:
    """Parses a body that must hold a JSON object."""
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    document = read_document(body)
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {debug_string(document)} Is not object")
    return document


def read_signature_name(document: Json) -> str:
    """The signature that the request names; empty if it names none."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {debug_string(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def read_inputs(body: PredictBody, signature: Signature) -> tuple[dict[str, Array], bool]:
    """The request's tensors.

    Args:
        body: of the request.
        signature: that the request names.

    Returns:
        Input -> array, and whether the request came by rows (so will the answer).

    Raises:
        ServingError: INVALID_ARGUMENT on anything but values of the signature's inputs.
    """
    specs = signature.inputs
    if not specs:
        name = body.signature_name or "DEFAULT"
        raise invalid_argument(f"Failed to get input map for signature: {name}")
    document = body.document
    if any(spec.dtype == "double" for spec in specs.values()):
        document = read_exact_doubles(body.text, document)
    if "instances" in document:
        return read_rows(_instances(document), specs), True
    if "inputs" in document:
        return _read_columns(document["inputs"], specs), False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _instances(document: Json) -> list[Json]:
    instances = document["instances"]
    if "inputs" in document:
        problem = (
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    elif not isinstance(instances, list):
        problem = "Expecting 'instances' to be an list/array"
    elif not instances:
        problem = "No values in 'instances' array"
    else:
        return instances
    raise invalid_argument(f"JSON Value: {debug_string(document)} {problem}")


def _read_columns(value: Json, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    if not isinstance(value, dict) or is_base64(value):
        if len(specs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input "
                "tensors required as per tensorinfo_map"
            )
        return {name: _read_column(value, name, spec.dtype) for name, spec in specs.items()}
    for name in specs:
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _read_column(value[name], name, spec.dtype) for name, spec in specs.items()}


def _read_column(value: Json, name: str, dtype: str) -> Array:
    try:
        array = to_array(value, dtype)
    except IrregularError:
        collector = ValueCollector(dtype)
        shape = collector.add(value)
        if len(shape) <= MAX_RANK:
            return collector.array(shape)
    else:
        return array
    raise invalid_argument(f"tensor parsing error: {name}")
