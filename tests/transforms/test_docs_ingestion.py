"""docs/ingestion.md lists the reasons of dead letters as the code has them."""

import re
from pathlib import Path

from transforms.ingest.casting.words import MAX_WORD_BYTES, MAX_WORDS
from transforms.ingest.counting.counts import FeedbackCounts, ImpressionCounts
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import MAX_TEXT
from transforms.ingest.reading.dialect import MAX_ROW_BYTES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ingestion.md").read_text()


def test_the_table_of_reasons_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (yes|no) \|$", PAGE, re.MULTILINE)
    assert rows == [(r.value, r.sentence, "yes" if r.counted else "no") for r in Reason]


def test_the_balance_names_what_a_row_can_become():
    for model, kind in ((ImpressionCounts, "impressions"), (FeedbackCounts, "feedback")):
        (sum_,) = re.findall(rf"^{kind} read +=(.+)$", PAGE, re.MULTILINE)
        assert sum_.replace(" ", "").split("+") == [n for n in model.model_fields if n != "read"]


def test_the_limits_are_those_of_the_code():
    assert MAX_ROW_BYTES == 1 << 20
    assert "| a row of CSV | 1 MiB |" in PAGE
    assert f"| an id or a word | {MAX_WORD_BYTES:,} bytes |" in PAGE
    assert f"| a list | {MAX_WORDS:,} words |" in PAGE
    assert f"first {MAX_TEXT:,} characters" in PAGE
