"""Spans: which files belong to which day, and by which version."""

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_inputs import make_config

from transforms.errors import InputError
from transforms.spans.days import date_of, parse_span, span_of
from transforms.spans.files import SpanFiles, newest_spans
from transforms.spans.pattern import Place, compile_pattern, place_of


@given(st.dates(date(1970, 1, 1)))
def test_a_span_counts_the_days_since_1970(day):
    span = span_of(day)
    assert date_of(span) == day
    assert parse_span(str(span)) == parse_span(day.isoformat()) == span


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "-1", "1969-12-31", "9" * 9, "²"])
def test_what_is_no_day_is_refused(text):
    with pytest.raises(InputError, match="must be a date, such as 2026-01-05"):
        parse_span(text)


@pytest.mark.parametrize(
    ("pattern", "path", "place"),
    [
        ("*/{YYYY}-{MM}-{DD}/*", "impressions/2026-01-05/a.csv", (20458, 0)),
        ("*/{YYYY}-{MM}-{DD}/*", "impressions/2026-01-05/more/a.csv", None),
        ("*/{YYYY}-{MM}-{DD}/*", "x/2026-1-5/a.csv", None),
        ("{YYYY}/{MM}/{DD}/v{VERSION}/*", "2026/01/05/v12/feedback.csv", (20458, 12)),
        ("*_{YYYY}{MM}{DD}.csv", "feedback_20260105.csv", (20458, 0)),
        ("span-{SPAN}/*", "span-20458/feedback.csv", (20458, 0)),
        ("span-{SPAN:6}/version-{VERSION:3}/*", "span-020458/version-007/x", (20458, 7)),
        ("span-{SPAN:6}/*", "span-20458/x", None),
        ("a.b?{SPAN}", "a.bc1", (1, 0)),
        ("a.b?{SPAN}", "axbc1", None),
    ],
)
def test_paths_are_read_as_tfx_reads_them(pattern, path, place):
    found = place_of(compile_pattern(pattern), path)
    assert found == (None if place is None else Place(*place))


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("*/*", r"must hold \{SPAN\} once, or each of"),
        ("{SPAN}/{YYYY}-{MM}-{DD}", r"must hold \{SPAN\} once, or each of"),
        ("{YYYY}-{MM}", r"must hold \{SPAN\} once, or each of"),
        ("{SPAN}/{SPAN}", r"must hold \{SPAN\} once, or each of"),
        ("{SPAN}/{VERSION}/{VERSION}", "at most once"),
        ("{SPAN}/{HOUR}/*", r"Received: \{HOUR\}"),
        ("{SPAN}{a/b}", r"Received: \{a/b\}"),
        ("{SPAN:0}", r"Received: \{SPAN:0\}"),
        ("*a*b*c*/{SPAN}", r"at most 3 \* between two slashes. Received: '\*a\*b\*c\*/'"),
    ],
)
def test_a_pattern_that_names_no_day_is_refused(pattern, rule):
    with pytest.raises(ValueError, match=rule):
        make_config(spans={"input": pattern})


def test_a_path_that_nearly_fits_costs_no_time():
    pattern = compile_pattern("/".join(["*a*a*a"] * 5) + "/*a*{SPAN}*b")
    started = time.monotonic()
    assert place_of(pattern, "/".join(["a" * 250] * 5) + "/" + "a1" * 120) is None
    assert time.monotonic() - started < 5


def test_a_path_of_no_day_is_refused_by_name():
    with pytest.raises(InputError, match=r"2026-02-30/a\.csv: must be in the folder"):
        place_of(compile_pattern("*/{YYYY}-{MM}-{DD}/*"), "impressions/2026-02-30/a.csv")


def test_of_each_span_the_newest_version_counts_as_a_number():
    files = {name: name for name in ("1/v9/a", "1/v10/a", "1/v10/b", "2/v1/a", "notes.txt")}
    assert newest_spans("{SPAN}/v{VERSION}/*", files) == {
        1: SpanFiles(10, {"1/v10/a": "1/v10/a", "1/v10/b": "1/v10/b"}, ("1/v9/a",)),
        2: SpanFiles(1, {"2/v1/a": "2/v1/a"}),
    }


def test_by_time_a_day_must_be_left_to_train_on():
    split = {"by": "time", "eval_last": "2d"}
    with pytest.raises(ValueError, match=r"must be left to train on. Received: window=2, 2 to"):
        make_config(spans={"window": 2}, split=split)
    assert make_config(spans={"window": 3}, split=split).logs.eval_spans == 2
    by_share = make_config(spans={"window": 7}, split={"by": "time", "eval_fraction": 0.3})
    assert by_share.logs.eval_spans == 2


def test_only_canonical_logs_have_spans():
    with pytest.raises(ValueError, match="`spans` need `adapter: canonical`"):
        make_config(spans={}, adapter="kuairand")
