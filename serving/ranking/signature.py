"""What a model offers, and what it needs to rank: the inputs of its signature `rank`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transforms.errors import InputError
from transforms.examples import RANK

_FLOAT = "DT_FLOAT"
_TEXT = "DT_STRING"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes:
        dtype: the type by its name in TensorFlow's protos, such as `DT_FLOAT`.
        shape: sizes, -1 where any size fits; None where any rank fits.
    """

    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A named function of a model.

    Attributes:
        inputs: name -> tensor.
        outputs: name -> tensor.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of the signature `rank`.

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


def read_signatures(definitions: Mapping[str, Any]) -> dict[str, Signature]:
    """Reads a model's signatures.

    Args:
        definitions: signature name -> definition, as the metadata API gives it in JSON.

    Raises:
        LookupError, TypeError, ValueError: if they are no definitions.

    Example:
        >>> price = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}
        >>> read_signatures({"rank": {"inputs": {"price": price}}})["rank"].inputs["price"]
        TensorSpec(dtype='DT_FLOAT', shape=(-1,))
    """
    return {
        name: Signature(
            _read_tensors(definition.get("inputs", {})),
            _read_tensors(definition.get("outputs", {})),
        )
        for name, definition in definitions.items()
    }


def _read_tensors(tensors: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {name: _read_tensor(info) for name, info in sorted(tensors.items())}


def _read_tensor(info: Mapping[str, Any]) -> TensorSpec:
    shape = info.get("tensor_shape", {})
    sizes = tuple(int(dim.get("size", 0)) for dim in shape.get("dim", []))
    return TensorSpec(str(info.get("dtype")), None if shape.get("unknown_rank") else sizes)


def read_rank_signature(signatures: Mapping[str, Signature]) -> RankSignature:
    """What the signature `rank` says of the features.

    Inputs of shape [1] or [1, m] belong to the request, [-1] or [-1, m] to candidates.

    Raises:
        InputError: if the model cannot rank.

    Example:
        >>> rank = Signature({"price": TensorSpec("DT_FLOAT", (-1,))}, {"score": None})
        >>> read_rank_signature({"rank": rank})
        RankSignature(inputs={'price': InputSpec(is_text=False, per_item=True, is_list=False, \
max_values=None)}, outputs=('score',))
    """
    if RANK not in signatures:
        names = sorted(name for name in signatures if not name.startswith("__"))
        raise InputError(f"the model has no signature `{RANK}`. It has: {', '.join(names)}")
    signature = signatures[RANK]
    specs = {name: _read_input(name, tensor) for name, tensor in signature.inputs.items()}
    return RankSignature(specs, tuple(signature.outputs))


def _read_input(name: str, tensor: TensorSpec) -> InputSpec:
    sizes = tensor.shape or ()
    is_text = tensor.dtype == _TEXT
    good_type = is_text or tensor.dtype == _FLOAT
    good_shape = len(sizes) in (1, 2) and sizes[0] in (1, -1) and (is_text or len(sizes) == 1)
    if not good_type or not good_shape:
        raise InputError(
            f"input `{name}` of signature `{RANK}` must be words [1 or -1] or [1 or -1, m], or "
            f"32-bit floats [1 or -1]. Received: {tensor.dtype} {list(sizes)}"
        )
    is_list = len(sizes) == 2
    max_values = sizes[1] if is_list and sizes[1] >= 0 else None
    return InputSpec(is_text, per_item=sizes[0] == -1, is_list=is_list, max_values=max_values)
