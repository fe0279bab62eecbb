"""Join, attribution and labels, held against a slow and plain reference on random logs."""

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_inputs import FEATURES, decode, encode_rows
from slow_ingest import CONFIG, EVENTS, SHOWN, slow_join, slow_label

from transforms.ingest.adapters.base import LogFile
from transforms.ingest.adapters.canonical import CanonicalLogs
from transforms.ingest.casting.fields import feedback_fields, impression_fields
from transforms.ingest.plan import IngestPlan, Inspected
from transforms.ingest.steps.partition import label_partition


def make_plan() -> IngestPlan:
    files = tuple(Inspected(LogFile("impressions", name, name, None), {}, 0) for name in ("a", "b"))
    fields = {"impressions": impression_fields(CONFIG, "ms", ()), "feedback": feedback_fields("ms")}
    return IngestPlan(CONFIG, CanonicalLogs((), "ms"), files, fields)


PLAN = make_plan()


def to_batch(rows, role):
    schema = PLAN.schema(role)
    renamed = {"country": "feature_country", "is_de": "mask_rating"}
    rows = [{renamed.get(k, k): v for k, v in row.items()} for row in rows]
    return pa.RecordBatch.from_pylist(rows, schema)


def process(shown, events):
    places = {event: place for place, event in enumerate(CONFIG.events)}
    shown = to_batch([{**row, "is_de": row["country"] == "de"} for row in shown], "impressions")
    events = to_batch([{**row, "event": places[row["event"]]} for row in events], "feedback")
    return label_partition(PLAN, shown, events)


def examples_of(processed):
    rows = decode(encode_rows(processed.examples))
    return {(row["request_id"][0].decode(), row["item_id"][0].decode()): row for row in rows}


def placed(rows):
    return [{**row, "source": place % 2, "row": place // 2} for place, row in enumerate(rows)]


@settings(deadline=None, max_examples=300)
@given(st.lists(SHOWN, max_size=12).map(placed), st.lists(EVENTS, max_size=25).map(placed))
def test_labels_and_counts_equal_the_reference(shown, events):
    kept, belongs, outcomes = slow_join(shown, events)
    processed = process(shown, events)
    examples = examples_of(processed)
    assert examples.keys() == kept.keys()
    for key, example in examples.items():
        assert example["user_id"] == [kept[key]["user_id"].encode()]
        assert example["timestamp"] == [kept[key]["timestamp"]]
        for name, task in CONFIG.tasks.items():
            label, weight = slow_label(task, kept[key], belongs[key])
            assert example[f"weight_{name}"] == [weight]
            assert example[f"label_{name}"] == [pytest.approx(label, rel=1e-6)]
    assert_outcomes(processed.tally, outcomes)


def assert_outcomes(tally, outcomes):
    reasons = tally.under("dead_letters")
    for reason in ("conflicting_impression", "feedback_before_impression"):
        assert reasons.get(reason, 0) == outcomes[reason]
    assert (
        reasons.get("feedback_without_impression", 0) == (outcomes["feedback_without_impression"])
    )
    assert tally.under("impressions") == {
        "examples": outcomes["examples"],
        "duplicates": outcomes["duplicate_impressions"],
        "dead": outcomes["conflicting_impression"],
    }
    assert tally.under("feedback") == {
        **{"read": 0, "other_spans": 0},
        "attributed": outcomes["attributed"],
        "outside_window": outcomes["outside_window"],
        "duplicates": outcomes["duplicate_feedback"],
        "dead": reasons.get("feedback_before_impression", 0)
        + reasons.get("feedback_without_impression", 0),
    }


@settings(deadline=None, max_examples=50)
@given(
    st.lists(SHOWN, max_size=8).map(placed),
    st.lists(EVENTS, max_size=12).map(placed),
    st.randoms(),
)
def test_the_order_in_which_rows_arrive_changes_nothing(shown, events, random):
    first = process(shown, events)
    random.shuffle(shown)
    random.shuffle(events)
    second = process(shown, events)
    assert first.examples == second.examples
    assert first.tally == second.tally
    assert sorted_letters(first) == sorted_letters(second)


def sorted_letters(processed):
    return sorted(str(row) for batch in processed.dead_letters for row in batch.to_pylist())


# ---------------------------------------------------------------- one rule each


def shown_at(second, **columns):
    row = {"request_id": "r", "item_id": "i", "user_id": "u", "timestamp": 1000 * second}
    return {**row, "country": "de", "source": 0, "row": 1, **columns}


def event_at(second, event="click", value=1.0, **columns):
    row = {"request_id": "r", "item_id": "i", "event": event, "value": value}
    return {**row, "timestamp": 1000 * second, "source": 1, "row": 1, **columns}


def only_example(*events, shown=None):
    (example,) = examples_of(process([shown or shown_at(100)], list(events))).values()
    return example


def test_feedback_at_the_end_of_the_window_counts_and_after_it_does_not():
    assert only_example(event_at(105))["label_click"] == [1.0]
    assert only_example(event_at(106))["label_click"] == [0.0]
    assert only_example(event_at(106))["label_clicks"] == [1.0]


def test_feedback_after_every_window_is_outside_the_window():
    for second, attributed in ((120, 1), (121, 0)):
        tally = process([shown_at(100)], [event_at(second)]).tally
        assert tally.count("feedback", "attributed") == attributed
        assert tally.count("feedback", "outside_window") == 1 - attributed


def test_feedback_within_the_clock_skew_counts_as_at_the_impression():
    assert only_example(event_at(98))["label_click"] == [1.0]
    processed = process([shown_at(100)], [event_at(97)])
    assert processed.tally.under("dead_letters") == {"feedback_before_impression": 1}
    (letters,) = processed.dead_letters
    assert "at most 2s before" in letters.column("detail")[0].as_py()
    assert '"event": "click"' in letters.column("text")[0].as_py()


def test_an_event_of_value_0_is_no_click_but_counts_as_one_event():
    example = only_example(event_at(101, value=0.0))
    assert example["label_click"] == [0.0]
    assert example["label_clicks"] == [1.0]


def test_the_last_value_by_time_is_the_label_and_of_two_at_once_the_larger():
    example = only_example(
        event_at(103, "rate", 2.0), event_at(102, "rate", 5.0), event_at(103, "rate", 1.0, row=2)
    )
    assert example["label_rating"] == [2.0]


def test_an_impression_without_rating_has_no_rating_unless_there_is_a_default():
    example = only_example()
    assert (example["label_rating"], example["weight_rating"]) == ([0.0], [0.0])
    assert example["weight_rating_or_3"] == [1.0]
    assert example["label_rating_or_3"] == [pytest.approx(math.log1p(3), rel=1e-6)]


def test_a_mask_by_column_hides_the_label():
    rated = event_at(101, "rate", 4.0)
    assert only_example(rated)["weight_rating"] == [1.0]
    french = shown_at(100, country="fr")
    assert only_example(rated, shown=french)["weight_rating"] == [0.0]


def test_a_mask_by_event_needs_the_event_inside_the_labels_window():
    watched = event_at(101, "watch", 2.0)
    assert only_example(watched)["weight_watch"] == [0.0]
    example = only_example(watched, event_at(102))
    assert example["weight_watch"] == [1.0]
    assert example["label_watch"] == [pytest.approx(math.log1p(2), rel=1e-6)]


def test_the_earliest_row_of_an_impression_counts():
    rows = [shown_at(101, country="fr"), shown_at(100, row=2), shown_at(100, row=3, country="it")]
    (example,) = examples_of(process(rows, [])).values()
    assert example["country"] == [b"de"]


def test_an_impression_of_two_users_is_no_duplicate():
    processed = process([shown_at(100), shown_at(100, row=2, user_id="v")], [])
    assert processed.tally.under("dead_letters") == {"conflicting_impression": 1}
    assert processed.tally.count("impressions", "duplicates") == 0


def test_a_request_with_10_000_candidates_is_joined_at_once():
    rows = [shown_at(100, item_id=f"i{n}", row=n) for n in range(10_000)]
    clicks = [event_at(101, item_id=f"i{n}", row=n) for n in range(0, 10_000, 10)]
    processed = process(rows, clicks)
    labels = processed.examples.column("label_click").to_numpy()
    assert labels.sum() == 1000
    assert len(labels) == 10_000


def test_missing_features_are_absent_from_the_example():
    example = only_example(shown=shown_at(100, country=None))
    assert not {"country", "age", "tags"} & example.keys()
    assert set(FEATURES) == {"country", "age", "tags"}
