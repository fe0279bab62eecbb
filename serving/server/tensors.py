"""TensorProtos to arrays and back, by the rules of TensorFlow's own decoder."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.server.signatures import Array
from serving.server.status import ServingError, invalid_argument

_MAX_RANK = 64
# A proto may ask for its last value to be repeated; so many values are believed.
_MAX_FILLED = 2**26
_INT_TYPES = ("int8", "int16", "int32", "uint8", "uint16", "qint8", "quint8", "qint16", "quint16")
_FIELDS = {
    **dict.fromkeys((*_INT_TYPES, "qint32"), "int_val"),
    "float": "float_val",
    "double": "double_val",
    "half": "half_val",
    "bfloat16": "half_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "string": "string_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
}
_PARTS = {"complex64": np.float32, "complex128": np.float64}


_NAMES = {number: name.removeprefix("DT_").lower() for name, number in types_pb2.DataType.items()}
_NUMPY_TYPES = {
    number: tf.dtypes.as_dtype(number).as_numpy_dtype
    for number, name in _NAMES.items()
    if name in _FIELDS
}


def dtype_name(dtype: int) -> str:
    """TensorFlow's name of an enumerated type; `invalid` for none.

    Example:
        >>> dtype_name(types_pb2.DT_HALF)
        'half'
    """
    return str(_NAMES.get(dtype, "invalid"))


def read_tensor(proto: tensor_pb2.TensorProto, alias: str) -> Array:
    """Decodes a tensor.

    Args:
        proto: raw bytes (`tensor_content`), or typed values of which the last is repeated
            if there are too few.
        alias: of the input, for the error message.

    Returns:
        The array; strings as `bytes` objects.

    Raises:
        ServingError: INVALID_ARGUMENT if type, shape and values do not fit.
    """
    name = dtype_name(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    size = math.prod(shape)
    fits = len(shape) <= _MAX_RANK and all(length >= 0 for length in shape) and size < 2**63
    if name not in _FIELDS or not fits:
        raise _unreadable(alias)
    if not size:
        return np.empty(shape, _NUMPY_TYPES[proto.dtype])
    if not proto.tensor_content:
        return _read_values(proto, name, size, alias).reshape(shape)
    if name == "string":
        return _read_strings(proto.tensor_content, size, alias).reshape(shape)
    numpy_type = np.dtype(_NUMPY_TYPES[proto.dtype])
    if len(proto.tensor_content) != size * numpy_type.itemsize:
        raise _unreadable(alias)
    return np.frombuffer(proto.tensor_content, numpy_type).reshape(shape)


def write_tensor(array: Array, proto: tensor_pb2.TensorProto) -> None:
    """Encodes an array with typed values, not raw bytes.

    Args:
        array: any shape; strings as `bytes` objects.
        proto: an empty one, filled here.
    """
    proto.dtype = tf.dtypes.as_dtype(array.dtype).as_datatype_enum
    proto.tensor_shape.SetInParent()
    for length in array.shape:
        proto.tensor_shape.dim.add(size=length)
    name = dtype_name(proto.dtype)
    values: Any = array.ravel()
    if name in _PARTS:
        values = values.view(_PARTS[name])
    elif _FIELDS[name] == "half_val":
        values = values.view(np.uint16)
    getattr(proto, _FIELDS[name]).extend(values.tolist())


def _read_values(proto: tensor_pb2.TensorProto, name: str, size: int, alias: str) -> Array:
    values = list(getattr(proto, _FIELDS[name]))
    if size > max(len(values), _MAX_FILLED):
        raise _unreadable(alias)
    numpy_type = _NUMPY_TYPES[proto.dtype]
    if name == "string":
        array = np.empty(len(values), object)
        array[:] = values
    elif name in _PARTS:
        array = np.array(values[: len(values) // 2 * 2], _PARTS[name]).view(numpy_type)
    elif _FIELDS[name] == "half_val":
        array = np.array(values, np.int64).astype(np.uint16).view(numpy_type)
    else:
        array = np.array(values).astype(numpy_type)
    if len(array) < size:
        default = b"" if name == "string" else 0
        last = array[-1] if len(array) else default
        array = np.concatenate([array, np.full(size - len(array), last, array.dtype)])
    return array[:size]


def _read_strings(content: bytes, size: int, alias: str) -> Array:
    """Raw strings: all lengths as varints, then all bytes."""
    array = np.empty(min(size, len(content)), object)
    lengths, at = [], 0
    for _ in range(size):
        length = shift = 0
        while at < len(content) and shift < 35:
            byte = content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
        if at >= len(content) and len(lengths) < size:
            raise _unreadable(alias)
    if at + sum(lengths) != len(content):
        raise _unreadable(alias)
    for index, length in enumerate(lengths):
        array[index] = content[at : at + length]
        at += length
    return array


def _unreadable(alias: str) -> ServingError:
    return invalid_argument(f"tensor parsing error: {alias}")
