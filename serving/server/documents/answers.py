"""The JSON answers of the REST API."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from serving.server.documents.decimals import shorten
from serving.server.documents.types import Json
from serving.server.signatures import Array, type_name
from serving.server.status import invalid_argument

_WRITABLE = frozenset(
    {"float", "double", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"}
    | {"bool", "string"}
)
_BYTES_SUFFIX = "_bytes"


def dump(document: Json) -> bytes:
    """Writes a document: NaN and Infinity as bare words, bytes of strings as they came.

    Example:
        >>> dump({"score": [0.5, float("nan")]})
        b'{"score": [0.5, NaN]}'
    """
    text = json.dumps(document, ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")


def dump_error(message: str) -> bytes:
    """The body of a refusal.

    Example:
        >>> dump_error("Input is empty.")
        b'{"error": "Input is empty."}'
    """
    return dump({"error": message})


def dump_outputs(outputs: Mapping[str, Array], by_rows: bool) -> bytes:
    """The body of a predict answer.

    Args:
        outputs: output -> array.
        by_rows: one value or object an example, else one value an output.

    Raises:
        ServingError: INVALID_ARGUMENT if the outputs have no JSON form.

    Example:
        >>> dump_outputs({"y": np.array([1.0, 2.5], np.float32)}, by_rows=True)
        b'{"predictions":[1.0,2.5]}'
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    if by_rows:
        _check_rows(outputs)
    names = sorted(outputs)
    readable = _shorten_floats(outputs)
    columns = [_to_lists(name, readable[name]) for name in names]
    document: Json
    if len(names) == 1:
        document = columns[0]
    elif by_rows:
        document = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    else:
        document = dict(zip(names, columns, strict=True))
    return _dump_fast({"predictions" if by_rows else "outputs": document}, outputs.values())


def dump_regressions(values: Array) -> bytes:
    """The body of a regress answer; values [B] float32."""
    if not len(values):
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    return _dump_fast({"results": shorten(values).tolist()}, [values])


def dump_classifications(labels: Sequence[Sequence[bytes]], scores: Array) -> bytes:
    """The body of a classify answer; labels and scores [B, classes]."""
    if not len(scores):
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    results = [
        [[_to_text(label), score] for label, score in zip(*row, strict=True)]
        for row in zip(labels, shorten(scores).tolist(), strict=True)
    ]
    return _dump_fast({"results": results}, [scores])


def _check_rows(outputs: Mapping[str, Array]) -> None:
    size = None
    for name, array in sorted(outputs.items()):
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size is not None and len(array) != size:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)


def _shorten_floats(outputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs with all float32 values shortened, in one pass over them."""
    floats = {name: array for name, array in outputs.items() if type_name(array) == "float"}
    if not floats:
        return dict(outputs)
    values = shorten(np.concatenate([array.ravel() for array in floats.values()]))
    ends = np.cumsum([array.size for array in floats.values()])[:-1]
    parts = zip(floats.items(), np.split(values, ends), strict=True)
    return {**outputs, **{name: part.reshape(array.shape) for (name, array), part in parts}}


def _to_lists(name: str, array: Array) -> Any:
    """The array as nested lists of JSON values."""
    dtype = type_name(array)
    if array.size and dtype not in _WRITABLE:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {dtype}")
    if dtype == "string":
        convert = _to_base64 if name.endswith(_BYTES_SUFFIX) else _to_text
        texts = np.empty(array.size, object)
        texts[:] = [convert(value) for value in array.flat]
        return texts.reshape(array.shape).tolist()
    return array.tolist()


def _to_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _to_base64(value: bytes) -> Json:
    return {"b64": base64.b64encode(value).decode("ascii")}


def _dump_fast(document: Json, arrays: Any) -> bytes:
    """The same as `dump`, in Rust where the values are finite and the strings UTF-8."""
    if all(array.dtype.kind != "f" or np.isfinite(array).all() for array in arrays):
        try:
            return orjson.dumps(document)
        except orjson.JSONEncodeError:
            pass  # a string that is no UTF-8, or lists nested deeper than it takes
    return dump(document)
