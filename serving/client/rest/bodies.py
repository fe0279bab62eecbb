"""Request and answer bodies: JSON with NaN and Infinity as bare words."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from serving.client.operations import NUMPY_TYPES, Array
from serving.ranking.signature import TensorSpec

_BYTES = "b64"


def dump_inputs(signature: str, inputs: Mapping[str, Array]) -> bytes:
    """The body of a predict request by columns.

    Args:
        signature: the name of the signature.
        inputs: input -> array; strings as objects.

    Example:
        >>> price = np.array([1.5, np.nan], np.float32)
        >>> dump_inputs("rank", {"price": price, "brand": np.array(["a", "b"], object)})
        b'{"signature_name":"rank","inputs":{"price":[1.5,NaN],"brand":["a","b"]}}'
    """
    columns = {name: orjson.Fragment(_dump_array(array)) for name, array in inputs.items()}
    return orjson.dumps({"signature_name": signature, "inputs": columns})


def _dump_array(array: Array) -> bytes:
    if array.dtype.kind == "O":
        return orjson.dumps(array.tolist(), default=_dump_bytes)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    if np.isinf(array).any():
        return json.dumps(array.tolist(), separators=(",", ":")).encode()
    # Of numbers, orjson writes NaN alone as null.
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    return text.replace(b"null", b"NaN")


def _dump_bytes(value: Any) -> dict[str, str]:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"must be text or bytes: {value!r}")


def load(body: bytes) -> Any:
    """Parses an answer.

    Raises:
        ValueError: if it is no JSON.

    Example:
        >>> load(b'{"outputs": [1.5, NaN]}')
        {'outputs': [1.5, nan]}
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)  # knows NaN and Infinity


def read_outputs(outputs: Any, tensors: Mapping[str, TensorSpec]) -> dict[str, Array]:
    """The arrays of a predict answer.

    Args:
        outputs: output -> nested lists, or the value of the only output.
        tensors: output -> its type, as far as is known.

    Raises:
        TypeError, ValueError: if they are no arrays.

    Example:
        >>> read_outputs([1, 2], {"score": TensorSpec("DT_FLOAT", (-1,))})
        {'score': array([1., 2.], dtype=float32)}
    """
    if not isinstance(outputs, dict) or set(outputs) == {_BYTES}:
        if len(tensors) != 1:
            raise ValueError(f"one value for the outputs {list(tensors)}")
        outputs = dict.fromkeys(tensors, outputs)
    return {name: _read_array(values, tensors.get(name)) for name, values in outputs.items()}


def _read_array(values: Any, tensor: TensorSpec | None) -> Array:
    dtype = NUMPY_TYPES.get(tensor.dtype) if tensor else None
    array = np.asarray(values, dtype)
    return np.asarray(_TO_BYTES(array), object) if dtype is object else array


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value[_BYTES], validate=True)
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"must be a string: {value!r}")


_TO_BYTES = np.frompyfunc(_to_bytes, 1, 1)
