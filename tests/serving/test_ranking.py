"""A request document to columns, outputs to an order: the pure part of ranking."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rich.console import Console

from serving.ranking import (
    Columns,
    InputSpec,
    RankingRequestError,
    RankSignature,
    make_columns,
    parse_request,
    read_rank_signature,
    read_signatures,
    sort_candidates,
)
from serving.ranking.table import make_table
from transforms.errors import InputError

SIGNATURE = RankSignature(
    {
        "age": InputSpec(is_text=False, per_item=False),
        "country": InputSpec(is_text=True, per_item=False),
        "interests": InputSpec(is_text=True, per_item=False, is_list=True, max_values=3),
        "brand": InputSpec(is_text=True, per_item=True),
        "price": InputSpec(is_text=False, per_item=True),
        "words": InputSpec(is_text=True, per_item=True, is_list=True),
    },
    ("click", "score"),
)


def columns(limit: int = 100, **parts: Any) -> dict[str, Any]:
    return {name: array.tolist() for name, array in make(limit, **parts).inputs.items()}


def make(limit: int = 100, **parts: Any) -> Columns:
    user, context = parts.get("user"), parts.get("context")
    return make_columns(user, parts["candidates"], context, SIGNATURE, limit)


def candidate(**fields: Any) -> dict[str, Any]:
    return {"item_id": "a", **fields}


def test_the_users_features_are_one_row_and_the_items_one_each() -> None:
    request: dict[str, Any] = {
        "user": {"user_id": 5, "age": 30, "interests": ["a", "b"]},
        "context": {"country": "nl"},
        "candidates": [candidate(brand="x", price=1.5, words=["u"]), candidate(item_id=2)],
    }
    assert make(**request).item_ids == ("a", 2)
    made = columns(**request)
    price = made.pop("price")
    assert made == {
        "age": [30],
        "country": ["nl"],
        "interests": [["a", "b", ""]],
        "brand": ["x", ""],
        "words": [["u"], [""]],
    }
    assert price[0] == 1.5 and math.isnan(price[1])


def test_what_is_absent_or_null_is_missing() -> None:
    made = columns(user={"age": None}, candidates=[candidate(brand=None, words=None)])
    assert math.isnan(made["age"][0])
    assert (made["country"], made["interests"]) == ([""], [["", "", ""]])
    assert (made["brand"], made["words"]) == ([""], [[]])


@pytest.mark.parametrize(
    ("value", "word"),
    [(7, "7"), (-0.5, "-0.5"), (12.0, "12"), (True, "true"), (math.nan, ""), (10**20, str(10**20))],
)
def test_numbers_are_words_by_their_decimal_text(value: Any, word: str) -> None:
    assert columns(candidates=[candidate(brand=value)])["brand"] == [word]
    assert columns(user={"interests": [value]}, candidates=[candidate()])["interests"][0][0] == word


def test_more_words_than_the_model_reads_are_left_out() -> None:
    made = columns(user={"interests": list("abcde")}, candidates=[candidate()])
    assert made["interests"] == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"candidates": [candidate(), candidate(price="x")]},
            "candidates[1].price: must be a number. Received: 'x'",
        ),
        (
            {"candidates": [candidate(price=math.inf)]},
            "candidates[0].price: must be a finite 32-bit float. Received: inf",
        ),
        (
            {"candidates": [candidate(price=10**400)]},
            "candidates[0].price: must be a finite 32-bit float.",
        ),
        (
            {"candidates": [candidate(), candidate(brand="\ud800")]},
            "candidates[1].brand: must be Unicode text. Received: '\\ud800'",
        ),
        (
            {"candidates": [candidate(words=["a", "b\udfff"])]},
            "candidates[0].words[1]: must be Unicode text.",
        ),
        (
            {"candidates": [candidate(brand=["x"])]},
            "candidates[0].brand: must be a word or a number. Received: ['x']",
        ),
        (
            {"candidates": [candidate(words="x")]},
            "candidates[0].words: must be a list of words. Received: 'x'",
        ),
        (
            {"candidates": [candidate(words=["a", {}])]},
            "candidates[0].words[1]: must be a word or a number. Received: {}",
        ),
        (
            {"user": {"age": []}, "candidates": [candidate()]},
            "user.age: must be a number. Received: []",
        ),
        (
            {"user": {"agee": 1}, "candidates": []},
            "user.agee: is no feature that the model reads. Did you mean `age`?",
        ),
        (
            {"user": {"price": 1}, "candidates": []},
            "user.price: belongs to each of the `candidates`",
        ),
        (
            {"user": {"age": 1}, "context": {"age": 2}, "candidates": []},
            "context.age: stands in `user` already",
        ),
        ({"candidates": [candidate(age=1)]}, "candidates[0].age: belongs to `user` or `context`"),
        (
            {"candidates": [candidate(), candidate(brnd="x")]},
            "candidates[1].brnd: is no feature that the model reads. Did you mean `brand`?",
        ),
        ({"candidates": [{"brand": "x"}]}, "candidates[0].item_id: must be given"),
        ({"candidates": ["a"]}, "candidates[0]: must be an object. Received: str"),
        ({"candidates": "ab"}, "candidates: must be a list, columns or a table. Received: str"),
        ({"candidates": {}}, "candidates.item_id: must be given"),
        ({"candidates": {"item_id": 7}}, "candidates.item_id: must be a list or an array."),
        (
            {"candidates": {"item_id": [7], "price": np.array([1, 2])}},
            "candidates.price: must have 1 values, as `item_id` has. Received: 2",
        ),
        (
            {"candidates": {"item_id": [7, 8], "price": np.array([1, np.inf])}},
            "candidates[1].price: must be a finite 32-bit float. Received: inf",
        ),
        (
            {"candidates": {"item_id": [7], "price": np.array([1 + 2j])}},
            "candidates[0].price: must be a number. Received: (1+2j)",
        ),
        (
            {"candidates": {"item_id": [7], "price": np.array(["2020-01-01"], "M8[D]")}},
            "candidates[0].price: must be a number.",
        ),
        (
            {"candidates": {"item_id": [7], "brnd": ["x"]}},
            "candidates[0].brnd: is no feature that the model reads. Did you mean `brand`?",
        ),
        (
            {"candidates": None},
            "candidates: must be a list, columns or a table. Received: nothing",
        ),
        ({"user": [], "candidates": []}, "user: must be an object. Received: list"),
        ({"candidates": [candidate()] * 101}, "candidates: must be at most 100. Received: 101"),
    ],
)
def test_a_request_that_the_model_cannot_read_is_refused_with_the_place(
    parts: dict[str, Any], message: str
) -> None:
    with pytest.raises(RankingRequestError) as raised:
        columns(**parts)
    assert str(raised.value).startswith(message)


def test_no_candidates_are_no_rows() -> None:
    assert columns(candidates=[])["price"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "must be JSON"),
        (b"", "must be JSON"),
        (b"\xff", "must be JSON"),
        (b'{"candidates": [{"item_id": %s}]}' % (b"9" * 5000), "must be JSON"),
        (b"[" * 100_000, "must not be nested so deep"),
        (b"[]", "a request: must be an object. Received: list"),
        (b"{}", "candidates: must be a list. Received: nothing"),
        (b'{"candidates": {}}', "candidates: must be a list. Received: dict"),
        (b'{"candidate": []}', "candidate: is no part of a request. Did you mean `candidates`?"),
        (b'{"candidates": [{"item_id": 1}], "candidates": []}', "candidates: must be given once"),
        (b'{"candidates": [{"item_id": 1, "item_id": 2}]}', "item_id: must be given once"),
    ],
    ids=lambda value: value[:20],
)
def test_a_request_that_is_no_json_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(RankingRequestError, match=message):
        parse_request(text)


def test_a_document_is_its_parts() -> None:
    request = parse_request(
        b'{"user": {"age": 1}, "request_id": 7, "candidates": [{"item_id": 1}]}'
    )
    assert (request.user, request.context) == ({"age": 1}, None)
    assert request.candidates == [{"item_id": 1}]


def test_whole_numbers_beyond_64_bits_are_floats() -> None:
    assert columns(candidates=[candidate(price=10**30)])["price"] == [np.float32(1e30)]


OBJECTS = [
    {"item_id": 1, "brand": "a", "price": 1.5, "words": ["u", "v"]},
    {"item_id": 2, "brand": "nö", "price": None, "words": []},
    {"item_id": 3, "brand": 7, "price": 3, "words": None},
]
COLUMNS = {
    "item_id": np.array([1, 2, 3]),
    "brand": np.array(["a", "nö", "7"]),
    "price": np.array([1.5, np.nan, 3], np.float32),
    "words": np.array([["u", "v"], ["", ""], ["", ""]]),
}
TABLE = pa.table(
    {
        "item_id": pa.array([1, 2, 3]),
        "brand": pa.array(["a", "nö", "7"]).dictionary_encode(),
        "price": pa.chunked_array([pa.array([1.5, None]), pa.array([3.0])]),
        "words": [["u", "v"], [], None],
    }
)


@pytest.mark.parametrize(
    "candidates",
    [
        COLUMNS,
        {name: values.tolist() for name, values in COLUMNS.items()},
        {**COLUMNS, "brand": np.array(["a", "nö", 7], object), "price": [1.5, None, np.int8(3)]},
        {**COLUMNS, "words": [np.array(["u", "v"]), (), None]},
        TABLE,
        TABLE.combine_chunks().to_batches()[0],
        TABLE.set_column(2, "price", pa.array(np.array([1.5, np.nan, 3], np.float16))),
        TABLE.set_column(3, "words", pa.array([["u", "v"], None, None], pa.list_(pa.string(), 2))),
        pa.concat_tables([TABLE, TABLE, TABLE]).slice(3, 3),
    ],
    ids=["arrays", "lists", "objects", "rows", "table", "batch", "halves", "fixed", "slices"],
)
def test_columns_and_tables_are_read_as_the_same_objects(candidates: Any) -> None:
    expected, made = make(candidates=OBJECTS), make(candidates=candidates)
    assert made.item_ids == expected.item_ids == (1, 2, 3)
    assert {type(item_id) for item_id in made.item_ids} == {int}
    for name, array in expected.inputs.items():
        assert made.inputs[name].dtype == array.dtype
        np.testing.assert_array_equal(made.inputs[name], array)


def test_a_list_after_a_missing_one_is_its_own() -> None:
    table = pa.table({"item_id": [0, 1, 2, 3], "words": [["left", "out"], ["u"], None, ["v", "w"]]})
    made = make(candidates=table.slice(1))
    assert made.inputs["words"].tolist() == [["u", ""], ["", ""], ["v", "w"]]


def test_large_ids_of_a_table_stay_whole_where_some_are_missing() -> None:
    table = pa.table({"item_id": [2**60 + 1, None], "brand": pa.array([2**60 + 1, None])})
    made = make(candidates=table)
    assert made.item_ids == (2**60 + 1, None)
    assert made.inputs["brand"].tolist() == [str(2**60 + 1), ""]


def test_a_column_that_stands_twice_in_a_table_is_refused() -> None:
    table = pa.table([[1], [2]], names=["item_id", "item_id"])
    with pytest.raises(RankingRequestError, match="every column must be there once"):
        make(candidates=table)


@given(
    st.sampled_from(["int64", "int8", "uint64", "float32", "float16", "bool"]).flatmap(
        lambda dtype: hnp.arrays(dtype, st.integers(0, 5), elements={"allow_infinity": False})
    )
)
def test_an_array_of_numbers_is_read_as_the_list_of_its_values(values: Any) -> None:
    columns = {"item_id": values, "price": values}
    objects = [candidate(price=value) for value in values.tolist()]
    array = make(candidates=columns).inputs["price"]
    np.testing.assert_array_equal(array, make(candidates=objects).inputs["price"])


def test_the_signature_says_what_belongs_to_the_request() -> None:
    def info(dtype: str, *sizes: int) -> dict[str, Any]:
        return {"dtype": dtype, "tensor_shape": {"dim": [{"size": str(size)} for size in sizes]}}

    definition: dict[str, Any] = {
        "inputs": {
            "age": info("DT_FLOAT", 1),
            "brand": info("DT_STRING", -1),
            "interests": info("DT_STRING", 1, 3),
            "words": info("DT_STRING", -1, -1),
        },
        "outputs": {"score": {}, "click": {}},
    }
    expected = {
        name: spec for name, spec in SIGNATURE.inputs.items() if name in definition["inputs"]
    }
    read = read_rank_signature(read_signatures({"rank": definition}))
    assert read == RankSignature(expected, ("click", "score"))
    for wrong in (info("DT_FLOAT", 2), info("DT_DOUBLE", 1), {"dtype": "DT_FLOAT"}):
        definition["inputs"]["age"] = wrong
        with pytest.raises(InputError, match="input `age` of signature `rank` must be "):
            read_rank_signature(read_signatures({"rank": definition}))


def test_a_model_that_cannot_rank_is_refused_with_what_it_can() -> None:
    with pytest.raises(InputError, match=r"no signature `rank`\. It has: serving_default"):
        read_rank_signature(read_signatures({"serving_default": {}, "__saved_model_init_op": {}}))


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, math.nan]), max_size=30))
def test_candidates_are_sorted_by_score_and_ties_keep_their_order(scores: list[float]) -> None:
    ranked = sort_candidates(range(len(scores)), {"score": scores, "click": scores})
    given_order = sorted(range(len(scores)), key=lambda i: (math.isnan(scores[i]), -scores[i]))
    assert list(ranked.item_ids) == [*given_order[: len(scores)]]
    np.testing.assert_array_equal(ranked.scores, [scores[i] for i in ranked.item_ids])


def test_ranked_candidates_are_a_sequence_and_a_document() -> None:
    ranked = sort_candidates(["a", "b", "c"], {"score": [1, 3, 2], "like": [0.1, 0.3, 0.2]})
    assert [one.item_id for one in ranked[:2]] == ["b", "c"]
    assert ranked.to_document()[0] == {"item_id": "b", "score": 3.0, "predictions": {"like": 0.3}}
    assert ranked.to_table().to_pydict() == {
        "item_id": ["b", "c", "a"],
        "score": [3, 2, 1],
        "prediction_like": [0.3, 0.2, 0.1],
    }


def test_ids_of_several_types_are_no_column() -> None:
    ranked = sort_candidates(["a", 2], {"score": [1, 2]})
    with pytest.raises(InputError, match="`item_id` must be of one type"):
        ranked.to_table()


@pytest.mark.parametrize("outputs", [{"click": [1.0]}, {"score": [1.0, 2.0]}, {"score": 1.0}])
def test_outputs_that_do_not_fit_the_candidates_are_refused(outputs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="output"):
        sort_candidates(["a"], outputs)


def test_the_table_shows_the_best_and_says_how_many_there_are() -> None:
    ranked = sort_candidates(list("abc"), {"score": [1, 3, math.nan], "like": [0.1, 0.25, 0.2]})
    console = Console(width=60, no_color=True)
    with console.capture() as capture:
        console.print(make_table(ranked, limit=1))
    lines = capture.get().splitlines()
    assert any("b" in line and "3.0000" in line and "0.2500" in line for line in lines)
    assert lines[-1].strip() == "1 of 3 candidates"


@pytest.mark.parametrize(
    ("item_id", "shown"),
    [("[red]x[/red]", "[red]x[/red]"), ("a\x1b[31mb", "'a\\x1b[31mb'"), ("\ud800", "'\\ud800'")],
)
def test_an_item_is_shown_as_it_is_and_does_nothing_to_the_terminal(
    item_id: str, shown: str
) -> None:
    console = Console(width=80, no_color=True)
    with console.capture() as capture:
        console.print(make_table(sort_candidates([item_id], {"score": [1.0]})))
    assert f" {shown} " in capture.get()
    assert "\x1b" not in capture.get()
