"""The tf.Examples of a JSON classify or regress request."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow.core.example import feature_pb2

from serving.server.documents.inputs import read_object, read_signature_name
from serving.server.documents.printer import debug_string
from serving.server.documents.types import Json, members, to_bytes, type_word
from serving.server.documents.values import decode_base64, is_base64
from serving.server.status import ServingError, invalid_argument
from transforms.ingest.writing.wire import first_field, second_field

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


@dataclass(frozen=True, slots=True)
class ExamplesBody:
    """The body of a classify or regress request.

    Attributes:
        signature_name: empty if it names none.
        examples: serialized tf.Examples.
    """

    signature_name: str
    examples: list[bytes]


def read_examples_body(body: bytes) -> ExamplesBody:
    """Parses {"examples": [{feature: value or values}, ...], "context": {...}}.

    Numbers with a point become floats, others and booleans int64, strings bytes. Features
    of the context belong to every example.

    Raises:
        ServingError: INVALID_ARGUMENT if it is no such document.
    """
    document = read_object(body)
    signature_name = read_signature_name(document)
    shared = _make_example(document["context"]) if "context" in document else b""
    examples = document.get("examples")
    if "examples" not in document:
        problem = "When method is classify, key 'examples' is expected and was not found"
    elif not isinstance(examples, list):
        problem = "Expecting 'examples' value to be an list/array"
    elif not examples:
        problem = "'examples' value is an empty array"
    else:
        return ExamplesBody(signature_name, [shared + _make_example(value) for value in examples])
    raise invalid_argument(f"JSON Value: {debug_string(document)} {problem}")


def _make_example(value: Json) -> bytes:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {type_word(value)}")
    features: dict[bytes, bytes] = {}
    for key, content in members(value):
        name = key.partition("\0")[0]
        feature = feature_pb2.Feature()
        for element in content if isinstance(content, list) else [content]:
            _add(feature, name, element)
        features[to_bytes(name)] = feature.SerializeToString()
    entries = b"".join(_entry(name, feature) for name, feature in features.items())
    return first_field(len(entries)) + entries if entries else b""


def _entry(name: bytes, feature: bytes) -> bytes:
    """A feature in a serialized tf.Example; protobuf's Python takes no name that is not UTF-8."""
    entry = first_field(len(name)) + name + second_field(len(feature)) + feature
    return first_field(len(entry)) + entry


def _add(feature: feature_pb2.Feature, name: str, element: Json) -> None:
    kind, value = _to_element(name, element)
    before = feature.WhichOneof("kind")
    if before not in (None, kind):
        raise invalid_argument(
            f"Unexpected element type in feature: {name} expecting type: {_KINDS[before]}"
        )
    if kind == "int64_list" and not -(2**63) <= value < 2**63:
        raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    if kind == "bytes_list" and isinstance(value, dict):
        value = decode_base64(value)
    getattr(feature, kind).value.append(value)


def _to_element(name: str, element: Json) -> tuple[str, Any]:
    match element:
        case bool():
            return "int64_list", int(element)
        case int():
            return "int64_list", element
        case float():
            with np.errstate(over="ignore"):
                return "float_list", float(np.float32(element))
        case str():
            return "bytes_list", to_bytes(element)
        case dict() if is_base64(element):
            return "bytes_list", element
    raise _unexpected(name, element)


def _unexpected(name: str, element: Json) -> ServingError:
    return invalid_argument(
        f"Feature: {name} has element with unexpected JSON type: {type_word(element)}"
    )
