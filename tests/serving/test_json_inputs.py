"""The tensors of JSON predict requests, and what is said of requests that have none."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.server.documents.columns import to_array
from serving.server.documents.inputs import read_inputs, read_predict_body
from serving.server.documents.values import ValueCollector
from serving.server.signatures import Signature, TensorSpec
from serving.server.status import Code, ServingError


def signature(**dtypes: str) -> Signature:
    inputs = {name: TensorSpec(f"{name}:0", dtype, None) for name, dtype in dtypes.items()}
    return Signature(inputs=inputs, outputs={})


def read(text: str, **dtypes: str) -> dict[str, Any]:
    inputs, _ = read_inputs(read_predict_body(text.encode()), signature(**dtypes))
    return inputs


def refusal(text: str, **dtypes: str) -> ServingError:
    with pytest.raises(ServingError) as raised:
        read(text, **dtypes)
    return raised.value


def test_rows_of_values_become_one_tensor() -> None:
    assert read('{"instances": [[1, 2], [3, 4]]}', x="int32")["x"].tolist() == [[1, 2], [3, 4]]
    assert read('{"instances": [1, 2.5]}', x="float")["x"].dtype == np.float32


def test_rows_of_objects_become_a_tensor_an_input() -> None:
    inputs = read('{"instances": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]}', a="int64", b="string")
    assert inputs["a"].tolist() == [1, 2]
    assert inputs["b"].tolist() == [b"x", b"y"]


def test_columns_may_have_different_lengths_and_a_scalar_is_one_too() -> None:
    inputs = read('{"inputs": {"a": [1, 2, 3], "b": "x", "unread": 0}}', a="int64", b="string")
    assert (inputs["a"].shape, inputs["b"].shape) == ((3,), ())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"instances": [{"b64": "aGk="}, {"b64": "aG\\n8"}]}', [b"hi", b"ho"]),
        ('{"inputs": [["a", {"b64": "/w=="}]]}', [[b"a", b"\xff"]]),
        ('{"inputs": {"b64": "aGk."}}', b"hi"),
    ],
)
def test_bytes_come_as_base64(text: str, value: Any) -> None:
    assert read(text, x="string")["x"].tolist() == value


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_small_integers_keep_the_low_bits(dtype: str) -> None:
    expected = np.array([300, -1, 70_000]).astype(dtype).tolist()
    assert read('{"inputs": [300, -1, 70000]}', x=dtype)["x"].tolist() == expected
    collector = ValueCollector(dtype)
    assert collector.array(collector.add([300, -1, 70_000])).tolist() == expected


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ("3000000000", "int32"),
        ("-1", "uint32"),
        ("-1", "uint64"),
        ("9223372036854775808", "int64"),
        ("1.0", "int32"),
        ("true", "int32"),
        ("true", "float"),
        ("1", "bool"),
        ("1", "string"),
        ("null", "float"),
        ('{"a": 1}', "float"),
    ],
)
def test_a_value_of_another_type_is_refused(value: str, dtype: str) -> None:
    error = refusal(f'{{"inputs": [{value}]}}', x=dtype)
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.endswith(f"is not of expected type: {dtype}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"inputs": [[1, 2], [3]]}',
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (
            '{"inputs": [[1], 2]}',
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ('{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (
            '{"instances": [[1, 2], [3]]}',
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting tensor size: 2 but got: 1",
        ),
        (
            '{"instances": [[1, 2], [[3, 4]]]}',
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting shape [2] but got: [1,2]",
        ),
        (
            '{"instances": [1, {"a": 1}]}',
            "Expecting value/list but got object at item 1 of input list",
        ),
        ('{"instances": [{"x": 1}, 2]}', "Expecting object but got list at item 1 of input list"),
        (
            '{"instances": [{"y": 1}]}',
            "Failed to process element: 0 key: y of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: y",
        ),
        (
            '{"instances": [{}]}',
            "Failed to process element: 0 of 'instances' list. JSON object: {} "
            "keys must be equal to: x",
        ),
        (
            '{"instances": []}',
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"inputs": {}}', "Missing named input: x in 'inputs' object."),
    ],
)
def test_a_wrong_shape_is_refused_with_its_place(text: str, message: str) -> None:
    assert refusal(text, x="int32").message == message


def test_both_forms_at_once_are_refused() -> None:
    error = refusal('{"inputs": [1], "instances": [1]}', x="int32")
    assert "only one of 'inputs' or 'instances' keys to exist" in error.message


def test_a_type_without_json_form_is_unimplemented() -> None:
    assert refusal('{"inputs": [1.5]}', x="half").code == Code.UNIMPLEMENTED
    by_rows = refusal('{"instances": [1.5]}', x="half")
    assert by_rows.code == Code.INVALID_ARGUMENT
    assert "UNIMPLEMENTED: Conversion of JSON Value: 1.5 to type: half" in by_rows.message


def test_lists_nested_beyond_any_tensor_are_refused() -> None:
    text = f'{{"inputs": {"[" * 100_000}{"]" * 100_000}}}'
    assert refusal(text, x="int32").message == "tensor parsing error: x"


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.int32, np.int64, np.uint64, np.bool_]),
        hnp.array_shapes(max_dims=4, max_side=4, min_side=0),
        elements=None,
    )
)
def test_both_ways_to_an_array_agree(array: Any) -> None:
    dtype = {"float32": "float"}.get(array.dtype.name, array.dtype.name)
    values = json.loads(json.dumps(np.nan_to_num(array, posinf=1, neginf=-1).tolist()))
    collector = ValueCollector(dtype)
    shape = collector.add(values)
    np.testing.assert_array_equal(to_array(values, dtype), collector.array(shape))
    assert to_array(values, dtype).dtype == collector.array(shape).dtype
