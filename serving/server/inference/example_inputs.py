"""What Classify, Regress and MultiInference share: serialized tf.Examples go in."""

from collections.abc import Sequence

import numpy as np

from serving.server.inference.predict import Model
from serving.server.signatures import DEFAULT_SIGNATURE, Array, Signature
from serving.server.status import invalid_argument

EXAMPLES = "inputs"
"""The alias of the input that takes the examples."""


def find_signature(model: Model, signature_name: str) -> Signature:
    """The signature of that name; `serving_default` for an empty one."""
    name = signature_name or DEFAULT_SIGNATURE
    if name not in model.signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    return model.signatures[name]


def run_examples(
    model: Model, feeds: Sequence[str], fetches: Sequence[str], examples: Sequence[bytes]
) -> dict[str, Array]:
    """Feeds the examples to every tensor of `feeds`; returns tensor name -> array."""
    if not examples:
        raise invalid_argument("Input is empty.")
    tensor = np.empty(len(examples), object)
    tensor[:] = examples
    arrays = model.run(dict.fromkeys(feeds, tensor), fetches)
    return dict(zip(fetches, arrays, strict=True))


def check_one_input(signature: Signature) -> None:
    """Refuses a signature of several inputs."""
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")


def format_shape(array: Array) -> str:
    """The shape as error messages show it.

    Example:
        >>> format_shape(np.zeros([2, 3]))
        '[2,3]'
    """
    return f"[{','.join(map(str, array.shape))}]"
