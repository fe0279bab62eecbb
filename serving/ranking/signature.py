"""What a model needs to rank: the inputs of its signature `rank`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transforms.errors import InputError

RANK = "rank"
"""The name of the signature: features as columns in, predictions and the score out."""

_FLOATS = frozenset({"DT_FLOAT", "DT_DOUBLE"})
_TEXT = "DT_STRING"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input.

    Attributes:
        is_text: words, else numbers.
        per_item: one row a candidate, else one row a request.
        is_list: a row is a list of words.
        max_values: how many words of a list the model reads; None for all.
    """

    is_text: bool
    per_item: bool
    is_list: bool = False
    max_values: int | None = None


@dataclass(frozen=True, slots=True)
class RankSignature:
    """The signature `rank`.

    Attributes:
        inputs: feature -> spec.
        outputs: the names of the predictions, and `score`.
    """

    inputs: Mapping[str, InputSpec]
    outputs: tuple[str, ...]


def read_rank_signature(definitions: Mapping[str, Any]) -> RankSignature:
    """Reads the signature from a model's metadata.

    Inputs of shape [1] or [1, m] belong to the request, [-1] or [-1, m] to candidates.

    Args:
        definitions: signature name -> definition, as the metadata API gives it in JSON.

    Raises:
        InputError: if the model cannot rank.

    Example:
        >>> price = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}
        >>> read_rank_signature({"rank": {"inputs": {"price": price}, "outputs": {"score": {}}}})
        RankSignature(inputs={'price': InputSpec(is_text=False, per_item=True, is_list=False, \
max_values=None)}, outputs=('score',))
    """
    if RANK not in definitions:
        names = sorted(name for name in definitions if not name.startswith("__"))
        raise InputError(f"the model has no signature `{RANK}`. It has: {', '.join(names)}")
    definition = definitions[RANK]
    inputs = definition.get("inputs", {})
    specs = {name: _read_input(name, info) for name, info in sorted(inputs.items())}
    return RankSignature(specs, tuple(sorted(definition.get("outputs", {}))))


def _read_input(name: str, info: Mapping[str, Any]) -> InputSpec:
    dtype = info.get("dtype")
    dims = info.get("tensor_shape", {}).get("dim", [])
    sizes = [int(dim.get("size", 0)) for dim in dims]
    is_text = dtype == _TEXT
    good_type = is_text or dtype in _FLOATS
    good_shape = len(sizes) in (1, 2) and sizes[0] in (1, -1) and (is_text or len(sizes) == 1)
    if not good_type or not good_shape:
        raise InputError(
            f"input `{name}` of signature `{RANK}` must be words [1 or -1] or [1 or -1, m], or "
            f"numbers [1 or -1]. Received: {dtype} {sizes}"
        )
    is_list = len(sizes) == 2
    max_values = sizes[1] if is_list and sizes[1] >= 0 else None
    return InputSpec(is_text, per_item=sizes[0] == -1, is_list=is_list, max_values=max_values)
