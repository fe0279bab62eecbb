"""What a caller gives to `predict`, as arrays of the signature's types."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.client.operations import NUMPY_TYPES, Array, ModelMetadata, Predict
from serving.ranking.signature import TensorSpec
from transforms.errors import InputError


def make_prediction(metadata: ModelMetadata, name: str, inputs: Mapping[str, Any]) -> Predict:
    """The operation that runs a signature.

    Args:
        metadata: of the model.
        name: of the signature.
        inputs: input -> nested lists or array.

    Raises:
        InputError: if the model has no such signature or input, or a value does not fit.

    Example:
        >>> from serving.ranking.signature import Signature
        >>> signature = Signature({"x": TensorSpec("DT_FLOAT", (-1,))}, {})
        >>> make_prediction(ModelMetadata("m", 1, {"s": signature}), "s", {"x": [1, 2]}).inputs
        {'x': array([1., 2.], dtype=float32)}
    """
    signature = metadata.signatures.get(name)
    if signature is None:
        names = ", ".join(sorted(n for n in metadata.signatures if not n.startswith("__")))
        raise InputError(f"the model has no signature `{name}`. It has: {names}")
    arrays = {}
    for alias, values in inputs.items():
        if alias not in signature.inputs:
            known = ", ".join(signature.inputs)
            raise InputError(f"`{alias}` is no input of signature `{name}`. It has: {known}")
        arrays[alias] = to_array(alias, values, signature.inputs[alias])
    return Predict(name, arrays, signature.outputs)


def to_array(alias: str, values: Any, tensor: TensorSpec) -> Array:
    """The array of an input; no number changes but by rounding to a shorter float.

    Args:
        alias: of the input.
        values: nested lists or array; strings as `str` or `bytes`.
        tensor: what the signature wants.

    Raises:
        InputError: if they do not fit.

    Example:
        >>> to_array("x", [1.5], TensorSpec("DT_INT32", (-1,)))
        Traceback (most recent call last):
        transforms.errors.InputError: input `x` must hold values of DT_INT32
    """
    if tensor.dtype not in NUMPY_TYPES:
        raise InputError(f"input `{alias}`: the client carries no {tensor.dtype}")
    wanted = np.dtype(NUMPY_TYPES[tensor.dtype])
    try:
        given = np.asarray(values, object if wanted.kind == "O" else None)
    except ValueError:  # lists of several lengths
        raise InputError(f"input `{alias}` must be a regular array") from None
    if not _fits(given, wanted):
        raise InputError(f"input `{alias}` must hold values of {tensor.dtype}")
    return given.astype(wanted, copy=False)


def _fits(given: Array, wanted: np.dtype[Any]) -> bool:
    if wanted.kind == "O":
        return set(map(type, given.flat)) <= {str, bytes}
    if given.dtype.kind not in "biuf":
        return False
    return wanted.kind == "f" or bool(np.array_equal(given.astype(wanted), given))
