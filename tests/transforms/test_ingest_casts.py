"""Casts: what a column may hold, what becomes missing, and what is refused with which code."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.ingest.casting.base import Cast
from transforms.ingest.casting.numbers import NumberCast, PositionCast, ValueCast
from transforms.ingest.casting.times import TimeCast
from transforms.ingest.casting.words import IsInCast, KeyCast, WordCast, WordsCast
from transforms.ingest.dead_letters.refusals import Refusals


def cast(how: Cast, values, type_=None):
    """The values of the good rows by place, and place -> (code, detail) of the refused."""
    array = values if isinstance(values, pa.Array) else pa.array(values, type_)
    refusals = Refusals(len(array))
    result = how.cast("x", array, refusals)
    assert result.type == how.type
    assert len(result) == len(array)
    listed = refusals.listed(np.arange(len(array)), lambda places: [""] * len(places))
    refused = {refusal.row: refusal.reason.value for refusal in listed}
    good = {i: v for i, v in enumerate(result.to_pylist()) if i not in refused}
    return good, refused


def test_numbers_are_read_from_numbers_and_text_alike():
    assert cast(NumberCast(), [1, None, -3])[0] == {0: 1.0, 1: None, 2: -3.0}
    assert cast(NumberCast(), ["1e2", " 7 ", "+.5", ""])[0] == {0: 100.0, 1: 7.0, 2: 0.5, 3: None}
    assert cast(NumberCast(), [True, False])[0] == {0: 1.0, 1: 0.0}
    assert cast(NumberCast(), pa.array(["1", "2", "1"]).dictionary_encode())[0] == {
        **{0: 1.0, 1: 2.0, 2: 1.0}
    }


def test_what_is_no_number_is_refused_and_its_neighbours_are_kept():
    good, refused = cast(NumberCast(), ["1", "one", "0x1", "1,5", None, "2"])
    assert good == {0: 1.0, 4: None, 5: 2.0}
    assert refused == dict.fromkeys([1, 2, 3], "wrong_type")


def test_nan_is_missing_and_infinity_is_refused():
    good, refused = cast(NumberCast(), [float("nan"), float("inf"), -float("inf"), 3.4e38])
    assert good == {0: None, 3: pytest.approx(3.4e38)}
    assert refused == dict.fromkeys([1, 2], "infinite_value")
    assert cast(NumberCast(), ["NaN", "inf", "1e999"]) == (
        {0: None},
        {1: refused[1], 2: refused[1]},
    )


def test_a_number_that_is_finite_but_not_in_32_bits_is_too_large():
    good, refused = cast(NumberCast(), [1e39, -1e39, 3.4e38])
    assert good == {2: pytest.approx(3.4e38)}
    assert refused == dict.fromkeys([0, 1], "number_too_large")
    assert cast(ValueCast(), ["1e39"])[1] == {0: "number_too_large"}


def test_a_minimum_refuses_smaller_numbers():
    assert cast(NumberCast(minimum=0.0), [-0.1, 0.0])[1] == {0: "negative_value"}


def test_an_event_without_value_counts_as_one_and_nan_is_refused():
    good, refused = cast(ValueCast(), [None, 2.5, float("nan"), float("inf")])
    assert good == {0: 1.0, 1: 2.5}
    assert refused == {2: "nan_value", 3: "infinite_value"}


def test_a_position_is_a_whole_number_from_0_on():
    good, refused = cast(PositionCast(), ["0", "3", "", "1.5", "-1", "first", "1e10", "inf"])
    assert good == {0: 0, 1: 3, 2: None}
    assert refused == {
        **{3: "not_whole", 4: "negative_value", 5: "wrong_type", 6: "number_too_large"},
        **{7: "infinite_value"},
    }


def test_keys_are_text_or_whole_numbers_and_never_missing():
    assert cast(KeyCast(), [7, 8])[0] == {0: "7", 1: "8"}
    good, refused = cast(KeyCast(), ["a", "", None, "x" * 1000, "x" * 1001])
    assert good == {0: "a", 3: "x" * 1000}
    assert refused == {1: "missing_key", 2: "missing_key", 4: "value_too_long"}
    assert not KeyCast().accepts(pa.float64())


@pytest.mark.parametrize("word", ["null", "NULL", "None", "nan", "NaN", "undefined", "\\N", "nil"])
def test_a_word_for_nothing_is_no_key_but_may_be_a_word(word):
    assert cast(KeyCast(), ["a", word, f"{word}1"])[1] == {1: "placeholder_key"}
    assert cast(WordCast(), [word])[0] == {0: word}


def test_a_nul_is_refused_wherever_it_stands():
    for how in (KeyCast(), WordCast(), WordsCast("|")):
        assert cast(how, ["a", "b\0", "\0", "c"])[1] == dict.fromkeys([1, 2], "null_character")
    assert cast(WordCast(), pa.array(["\0", "a"])[1:]) == ({0: "a"}, {})


def test_words_outside_a_closed_vocabulary_are_refused():
    good, refused = cast(WordCast(("de", "fr")), ["de", "xx", None, ""])
    assert good == {0: "de", 2: None, 3: None}
    assert refused == {1: "unknown_word"}
    good, refused = cast(WordsCast("|", ("a", "b")), ["a|b", "a|c|d", "", "b|"])
    assert good == {0: ["a", "b"], 2: None, 3: ["b"]}
    assert refused == {1: "unknown_word"}


def test_bytes_that_are_no_text_are_refused():
    good, refused = cast(KeyCast(), [b"a", b"\xff", "é".encode()])
    assert good == {0: "a", 2: "é"}
    assert refused == {1: "wrong_encoding"}


def test_an_empty_word_is_missing():
    assert cast(WordCast(), ["a", "", None])[0] == {0: "a", 1: None, 2: None}
    assert cast(WordCast(), [1.5, float("nan")])[0] == {0: "1.5", 1: None}
    assert cast(WordCast(), [dt.date(2026, 1, 2)])[0] == {0: "2026-01-02"}


def test_lists_come_from_lists_or_from_text_with_a_separator():
    expected = {0: ["a", "b"], 1: ["c"], 2: None, 3: None}
    assert cast(WordsCast("|"), ["a|b", "|c||", "", None])[0] == expected
    assert cast(WordsCast("|"), [["a", "b"], [None, "c", ""], [], None])[0] == expected
    assert cast(WordsCast(", "), pa.array([[1, 2], None])[:1])[0] == {0: ["1", "2"]}


def test_a_slice_of_a_list_column_is_read_from_its_own_rows():
    lists = pa.array([["x"], None, ["a", "b"], ["c"]])[2:]
    assert cast(WordsCast("|"), lists)[0] == {0: ["a", "b"], 1: ["c"]}


def test_lists_and_words_in_lists_have_a_limit():
    good, refused = cast(WordsCast("|"), [["a"], ["x" * 1001], ["a"] * 10_001])
    assert good == {0: ["a"]}
    assert refused == {1: "value_too_long", 2: "list_too_long"}


def test_a_list_with_a_word_that_is_no_text_says_so():
    lists = pa.array([[b"a"], [b"b", b"\xff"]], pa.list_(pa.binary()))
    assert cast(WordsCast("|"), lists) == ({0: ["a"]}, {1: "wrong_encoding"})


def test_a_list_in_brackets_is_not_taken_for_one_odd_word():
    good, refused = cast(WordsCast("|"), ['["a", "b"]', "['a']", "[]", "[a]", "x]|[y", "[news]|b"])
    assert good == {3: ["[a]"], 4: ["x]", "[y"], 5: ["[news]", "b"]}
    assert refused == dict.fromkeys([0, 1, 2], "bracketed_list")


def test_a_mask_compares_as_text():
    assert cast(IsInCast(("1", "de")), [1, 2, None])[0] == {0: True, 1: False, 2: False}


NEW_YEAR = 1_767_225_600_000


@pytest.mark.parametrize(
    "text",
    [
        *("1767225600000", " 1767225600000", "1767225600000.0"),
        *("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01 00:00", "2026-01-01T01:00:00+01:00"),
        *("2025-12-31T19:00:00.000999-0500", "2026-01-01T00:00:00.000000001"),
    ],
)
def test_times_come_in_many_ways(text):
    assert cast(TimeCast("ms"), [text])[0] == {0: NEW_YEAR}
    # Beside another form, the column is read value by value.
    assert cast(TimeCast("ms"), [text, "2026-01-01", "never"])[0] == {0: NEW_YEAR, 1: NEW_YEAR}


def test_the_unit_is_that_of_plain_numbers():
    assert cast(TimeCast("s"), [1_767_225_600])[0] == {0: NEW_YEAR}
    assert cast(TimeCast("us"), ["1767225600000999"])[0] == {0: NEW_YEAR}
    assert cast(TimeCast("s"), [1_767_225_600.0, float("nan")])[0][0] == NEW_YEAR


def test_arrow_times_have_their_own_unit():
    moment = dt.datetime(2026, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert cast(TimeCast("s"), pa.array([moment], pa.timestamp("ns", "Europe/Berlin")))[0] == {
        0: NEW_YEAR
    }
    assert cast(TimeCast("s"), [dt.date(2026, 1, 1)])[0] == {0: NEW_YEAR}


def test_what_is_no_time_is_refused():
    values = ["2026-02-30", "2026-13-01", "soon", "1.5", "inf", "nan"]
    good, refused = cast(TimeCast("ms"), [*values, "2026-01-01"])
    assert good == {len(values): NEW_YEAR}
    assert refused == dict.fromkeys(range(len(values)), "bad_timestamp")
    assert cast(TimeCast("ms"), ["", None, " "])[1] == dict.fromkeys(range(3), "missing_key")
    assert cast(TimeCast("ms"), [float("nan"), 1.5])[1] == {0: "missing_key", 1: "bad_timestamp"}


def test_a_time_of_another_age_is_refused_as_such():
    values = ["-1", "99999999999999999999", "1969-12-31", "1969-12-31T23:59:59Z"]
    good, refused = cast(TimeCast("ms"), [*values, "2026-01-01"])
    assert good == {len(values): NEW_YEAR}
    assert refused == dict.fromkeys(range(len(values)), "timestamp_out_of_range")
    # Milliseconds, read as seconds.
    assert cast(TimeCast("s"), [NEW_YEAR, 2**62])[1] == dict.fromkeys([0, 1], refused[0])


@pytest.mark.parametrize(
    "type_",
    [*(pa.timestamp(unit) for unit in ("s", "ms", "us")), pa.timestamp("s", "UTC"), pa.date32()],
)
def test_arrow_times_of_another_age_are_refused_however_far(type_):
    """2^62 seconds in milliseconds are 0, if one lets them overflow."""
    far = 2**30 if type_ == pa.date32() else 2**62
    times = pa.array([-1, far, -far, 1], type_)
    good, refused = cast(TimeCast("ms"), times)
    assert list(good) == [3]
    assert refused == dict.fromkeys(range(3), "timestamp_out_of_range")


def test_a_time_of_a_zone_that_nobody_knows_is_no_word():
    assert WordCast().accepts(pa.timestamp("s", "UTC"))
    assert not WordCast().accepts(pa.timestamp("s", "Mars/Crater"))
    assert cast(TimeCast("ms"), pa.array([1], pa.timestamp("s", "Mars/Crater")))[0] == {0: 1000}


@pytest.mark.parametrize("how", [NumberCast(), PositionCast(), ValueCast(), TimeCast("ms")])
def test_types_that_cannot_be_read_are_known_beforehand(how):
    assert not how.accepts(pa.list_(pa.int64()))
    assert not how.accepts(pa.struct([("a", pa.int64())]))
    assert how.accepts(pa.null())


@settings(deadline=None)
@given(st.lists(st.text(max_size=12) | st.floats().map(str) | st.integers().map(str), max_size=8))
def test_any_text_is_a_number_missing_or_refused(values):
    good, refused = cast(NumberCast(), values, pa.string())
    for place, value in good.items():
        try:
            expected = float(values[place])
        except ValueError:
            assert not values[place].strip(" \t\n\v\f\r")
            assert value is None
        else:
            missing = np.isnan(expected)
            assert value is None if missing else value == np.float32(expected)
    assert set(refused) == set(range(len(values))) - set(good)


@settings(deadline=None)
@given(st.lists(st.text("0123456789-:T Z.+", max_size=24), max_size=8))
def test_any_text_is_a_time_missing_or_refused(values):
    good, refused = cast(TimeCast("ms"), values, pa.string())
    assert all(isinstance(value, int) for value in good.values())
    assert set(refused) == set(range(len(values))) - set(good)
