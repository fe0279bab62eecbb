"""A thousand broken rows of all kinds, hidden in a large log, are all found, and nothing else."""

import pytest
from broken_rows import CONFIG, hide
from ingest_runs import ingest, read_dead_letters

from transforms.ingest.counting.counts import check_balance

pytestmark = pytest.mark.slow

BROKEN = 1000


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_each_of_a_thousand_broken_rows_is_found(tmp_path, file_format, pytestconfig):
    good = pytestconfig.getoption("hidden_log_rows")
    hidden = hide(tmp_path / "logs", file_format, good, BROKEN - 1)
    counts = ingest(tmp_path, CONFIG)
    letters = read_dead_letters(tmp_path)
    assert {(row["source"], row["row"]): row["reason"] for row in letters} == hidden.broken
    assert len(letters) == len(hidden.broken) == BROKEN
    assert counts.impressions.examples == hidden.impressions
    assert counts.feedback.attributed == hidden.feedback
    check_balance(counts)
