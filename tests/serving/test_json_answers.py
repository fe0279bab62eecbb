"""JSON answers: decimals, rows and columns, bytes, and outputs that JSON cannot hold."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.server.documents.answers import dump_classifications, dump_outputs, dump_regressions
from serving.server.documents.decimals import shorten
from serving.server.status import ServingError


def strings(*values: bytes) -> Any:
    array = np.empty(len(values), object)
    array[:] = values
    return array


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_have_six_digits_if_they_suffice_and_else_nine(values: list[float]) -> None:
    floats = np.array(values, np.float32)
    for value, decimal in zip(floats, shorten(floats), strict=True):
        six = float(f"{value:.6g}")
        assert decimal == (six if np.float32(six) == value else float(f"{value:.9g}"))


def test_shortened_floats_keep_their_shape_and_their_signs() -> None:
    values = np.array([[np.nan, -np.inf], [-0.0, 1e-30]], np.float32)
    result = shorten(values)
    assert result.shape == (2, 2)
    assert np.isnan(result[0, 0]) and result[0, 1] == -np.inf
    assert np.signbit(result[1, 0]) and result[1, 1] == 1e-30


def test_several_outputs_by_rows_are_an_object_a_row() -> None:
    outputs = {"a": np.array([1, 2]), "b": np.array([[0.5], [1.5]], np.float32)}
    assert json.loads(dump_outputs(outputs, by_rows=True)) == {
        "predictions": [{"a": 1, "b": [0.5]}, {"a": 2, "b": [1.5]}]
    }


def test_no_row_is_an_empty_list() -> None:
    assert json.loads(dump_outputs({"a": np.zeros(0)}, by_rows=True)) == {"predictions": []}


def test_bytes_are_base64_where_the_name_says_so_and_else_as_they_are() -> None:
    outputs = {"a_bytes": strings(b"hi"), "b": strings(b"\xff\n")}
    body = dump_outputs(outputs, by_rows=False)
    assert body == b'{"outputs": {"a_bytes": [{"b64": "aGk="}], "b": ["\xff\\n"]}}'


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"s": np.array(1.0)}, "Tensor name: s has no shape information "),
        (
            {"a": np.zeros(2), "b": np.zeros(3)},
            "Tensor name: b has inconsistent batch size: 3 expecting: 2",
        ),
        ({"h": np.zeros(1, np.float16)}, "Failed to write JSON value for tensor type: half"),
    ],
)
def test_outputs_without_rows_are_refused(outputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ServingError) as raised:
        dump_outputs(outputs, by_rows=True)
    assert raised.value.message == message


def test_classes_are_pairs_of_label_and_score() -> None:
    scores = np.array([[0.1, np.nan]], np.float32)
    assert (
        dump_classifications([[b"a", b"b"]], scores) == b'{"results": [[["a", 0.1], ["b", NaN]]]}'
    )


def test_regressions_are_numbers_and_none_at_all_is_refused() -> None:
    assert dump_regressions(np.array([0.1, 2], np.float32)) == b'{"results":[0.1,2.0]}'
    with pytest.raises(ServingError, match="Cannot convert empty RegressionResults"):
        dump_regressions(np.zeros(0, np.float32))
