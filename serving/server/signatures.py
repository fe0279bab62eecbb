"""What a model offers: its signatures, and the types of their tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

DEFAULT_SIGNATURE = "serving_default"

NUMPY_TYPES: Mapping[str, npt.DTypeLike] = MappingProxyType(
    {
        "float": np.float32,
        "double": np.float64,
        "half": np.float16,
        "int8": np.int8,
        "int16": np.int16,
        "int32": np.int32,
        "int64": np.int64,
        "uint8": np.uint8,
        "uint16": np.uint16,
        "uint32": np.uint32,
        "uint64": np.uint64,
        "bool": np.bool_,
        "complex64": np.complex64,
        "complex128": np.complex128,
        "string": object,
    }
)
"""TensorFlow's name of a type -> NumPy's; strings are arrays of `bytes` objects."""

_NAMES = {np.dtype(numpy_type): name for name, numpy_type in NUMPY_TYPES.items()}


def type_name(array: Array) -> str:
    """TensorFlow's name of the array's type.

    Example:
        >>> type_name(np.zeros(2, np.float32)), type_name(np.array([b"a"], object))
        ('float', 'string')
    """
    name = _NAMES.get(array.dtype)
    return array.dtype.name if name is None else name


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes:
        name: of the tensor in the graph, such as `x:0`.
        dtype: TensorFlow's name of the type.
        shape: sizes, -1 where any size fits; None where any rank fits.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A named function of a model.

    Attributes:
        inputs: alias -> tensor.
        outputs: alias -> tensor.
        defaults: alias -> value of an input that a request may leave out.
        method_name: `tensorflow/serving/predict`, `.../classify` or `.../regress`.
        debug_string: the signature as error messages show it.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    defaults: Mapping[str, Array] = field(default_factory=dict)
    method_name: str = ""
    debug_string: str = ""
