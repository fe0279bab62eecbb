"""Arrays to TensorProtos and back, numbers as raw bytes."""

from typing import Any

import numpy as np

from serving.client.operations import NUMPY_TYPES, Array
from serving.client.rpc.protos import dtype_numbers

_NAMES = {np.dtype(dtype): name for name, dtype in NUMPY_TYPES.items()}
_INTEGERS = ("DT_INT8", "DT_INT16", "DT_INT32", "DT_UINT8", "DT_UINT16")
_FIELDS = {
    **dict.fromkeys(_INTEGERS, "int_val"),
    "DT_FLOAT": "float_val",
    "DT_DOUBLE": "double_val",
    "DT_INT64": "int64_val",
    "DT_UINT32": "uint32_val",
    "DT_UINT64": "uint64_val",
    "DT_BOOL": "bool_val",
}


def write_tensor(array: Array, proto: Any) -> None:
    """Encodes an array.

    Args:
        array: of any shape; strings as objects, `str` or `bytes`.
        proto: an empty TensorProto, filled here.
    """
    name = _NAMES[array.dtype]
    proto.dtype = dtype_numbers()[name]
    proto.tensor_shape.SetInParent()
    for length in array.shape:
        proto.tensor_shape.dim.add(size=length)
    if array.dtype.kind == "O":
        words = array.ravel().tolist()
        proto.string_val.extend(
            [word.encode() if isinstance(word, str) else word for word in words]
        )
    else:
        # The bytes of a tensor are little-endian whatever the machine is.
        proto.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def read_tensor(proto: Any) -> Array:
    """Decodes a tensor; strings as `bytes` objects.

    Raises:
        ValueError: if type, shape and values do not fit, or the client carries no such type.
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    name = _type_name(proto.dtype)
    if name == "DT_STRING":
        return np.array(list(proto.string_val), object).reshape(shape)
    dtype = np.dtype(NUMPY_TYPES[name])
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype.newbyteorder("<")).reshape(shape)
    if name == "DT_HALF":
        return np.array(proto.half_val, np.uint16).view(np.float16).reshape(shape)
    values = getattr(proto, _FIELDS[name])
    return np.fromiter(values, dtype, len(values)).reshape(shape)


def _type_name(number: int) -> str:
    for name in NUMPY_TYPES:
        if dtype_numbers()[name] == number:
            return name
    raise ValueError(f"the client carries no tensors of type {number}")
