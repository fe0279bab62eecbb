"""TensorProtos to arrays and back."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2

from serving.server.signatures import NUMPY_TYPES
from serving.server.status import ServingError
from serving.server.tensors import read_tensor, write_tensor


def proto(**fields: Any) -> tensor_pb2.TensorProto:
    sizes = fields.pop("shape", [])
    shape = {"dim": [{"size": size} for size in sizes]}
    return json_format.ParseDict({"tensor_shape": shape, **fields}, tensor_pb2.TensorProto())


def sample(dtype: str) -> Any:
    if dtype == "string":
        return np.array([[b"a", b""], [b"\xff", b"long" * 100]], object)
    return np.array([[0, 1], [2, 3]]).astype(NUMPY_TYPES[dtype])


@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_what_is_written_reads_back_and_tensorflow_reads_it_too(dtype: str) -> None:
    written = tensor_pb2.TensorProto()
    write_tensor(sample(dtype), written)
    np.testing.assert_array_equal(read_tensor(written, "x"), sample(dtype))
    np.testing.assert_array_equal(tf.make_ndarray(written), sample(dtype))
    assert not written.tensor_content


@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_what_tensorflow_writes_is_read(dtype: str) -> None:
    np.testing.assert_array_equal(
        read_tensor(tf.make_tensor_proto(sample(dtype)), "x"), sample(dtype)
    )


def test_raw_strings_are_lengths_and_then_bytes() -> None:
    raw = proto(dtype="DT_STRING", shape=[3])
    raw.tensor_content = bytes([1, 0, 0xC8, 1]) + b"a" + b"b" * 200
    assert read_tensor(raw, "x").tolist() == [b"a", b"", b"b" * 200]


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"dtype": "DT_FLOAT", "shape": [3], "float_val": [1, 2]}, [1, 2, 2]),
        ({"dtype": "DT_FLOAT", "shape": [1], "float_val": [1, 2]}, [1]),
        ({"dtype": "DT_INT32", "shape": [2]}, [0, 0]),
        ({"dtype": "DT_STRING", "shape": [2], "string_val": ["YQ=="]}, [b"a", b"a"]),
        ({"dtype": "DT_STRING", "shape": [1]}, [b""]),
        ({"dtype": "DT_UINT8", "shape": [1], "int_val": [300]}, [44]),
        ({"dtype": "DT_FLOAT", "shape": [0, 5]}, []),
        ({"dtype": "DT_FLOAT", "float_val": [7]}, 7),
    ],
)
def test_missing_values_repeat_the_last_and_surplus_ones_are_left_out(
    fields: dict[str, Any], values: Any
) -> None:
    assert read_tensor(proto(**fields), "x").tolist() == values


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dtype": "DT_RESOURCE", "shape": [1]},
        {"dtype": "DT_FLOAT", "shape": [-1]},
        {"dtype": "DT_FLOAT", "shape": [2**40, 2**40]},
        {"dtype": "DT_FLOAT", "shape": [2**32], "float_val": [1]},
        {"dtype": "DT_FLOAT", "shape": [1] * 65, "float_val": [1]},
        {"dtype": "DT_FLOAT", "shape": [2], "tensor_content": "AACAPw=="},
        {"dtype": "DT_STRING", "shape": [2], "tensor_content": "AQFh"},
        {"dtype": "DT_STRING", "shape": [9], "tensor_content": "/w=="},
    ],
)
def test_a_tensor_whose_parts_do_not_fit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ServingError) as raised:
        read_tensor(proto(**fields), "price")
    assert raised.value.message == "tensor parsing error: price"
