"""Regress: tf.Examples in, one number an example out."""

from collections.abc import Mapping, Sequence

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

_VALUES = "outputs"


def regress(model: Model, signature_name: str, examples: Sequence[bytes]) -> Array:
    """Runs a regression signature.

    Args:
        model: a loaded version.
        signature_name: empty for `serving_default`.
        examples: serialized tf.Examples [B], at least one.

    Returns:
        Values [B], float32.

    Raises:
        ServingError: if the signature is no regression, or the graph refuses.
    """
    signature = find_signature(model, signature_name)
    feed, fetches = check_regression(signature)
    outputs = run_examples(model, [feed], fetches, examples)
    return to_regressions(signature, len(examples), outputs)


def check_regression(signature: Signature) -> tuple[str, list[str]]:
    """The tensor that takes the examples, and the tensor of values."""
    check_one_input(signature)
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    if EXAMPLES not in signature.inputs:
        raise invalid_argument(
            f"No regression inputs found in SignatureDef: {signature.debug_string}"
        )
    if _VALUES not in signature.outputs:
        raise invalid_argument(
            f"No regression outputs found in SignatureDef: {signature.debug_string}"
        )
    return signature.inputs[EXAMPLES].name, [signature.outputs[_VALUES].name]


def to_regressions(signature: Signature, size: int, tensors: Mapping[str, Array]) -> Array:
    """Values [size] from the fetched tensors, by tensor name."""
    values = tensors[signature.outputs[_VALUES].name]
    if values.ndim != 1 and (values.ndim != 2 or values.shape[1] != 1):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {format_shape(values)}"
        )
    if len(values) != size:
        raise invalid_argument(
            f"Input batch size did not match output batch size: {size} vs. {len(values)}"
        )
    if type_name(values) != "float":
        raise invalid_argument(
            f"Expected output Tensor of DT_FLOAT.  Got: DT_{type_name(values).upper()}"
        )
    return values.reshape(size)
