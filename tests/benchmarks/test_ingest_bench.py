"""The ingestion benchmark: its logs, its commands, its stopwatch and its tables."""

import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from benchmarks.harness.processes import Cost, run_process
from benchmarks.ingest import histories
from benchmarks.ingest.growth import Size, as_rows
from benchmarks.ingest.logs import make_logs, write_config
from benchmarks.ingest.measure import START_ROWS, Measured
from benchmarks.ingest.stages import STAGES, Stopwatch
from benchmarks.ingest.table import format_tables, times_ours
from benchmarks.ingest.ways import READING, WAYS
from pipeline.config import load_config


def test_logs_have_sixteen_columns_and_feedback_on_them(tmp_path: Path):
    logs = make_logs(tmp_path, 2000, "parquet")
    (impressions,), (feedback,) = (
        sorted((logs / t).iterdir()) for t in ("impressions", "feedback")
    )
    shown, events = pq.read_table(impressions), pq.read_table(feedback)
    assert (shown.num_columns, shown.num_rows, events.num_rows) == (16, 2000, 1200)
    assert len(shown.group_by(["request_id", "item_id"]).aggregate([])) == 2000
    assert set(events["request_id"].to_pylist()) <= set(shown["request_id"].to_pylist())


def test_logs_that_are_there_are_not_made_again_and_csv_holds_the_same(tmp_path: Path):
    logs = make_logs(tmp_path, 100, "parquet")
    before = [path.stat().st_mtime_ns for path in sorted(logs.rglob("*.parquet"))]
    make_logs(tmp_path, 100, "parquet")
    assert [path.stat().st_mtime_ns for path in sorted(logs.rglob("*.parquet"))] == before
    text = pa_csv.read_csv(make_logs(tmp_path, 100, "csv") / "impressions" / "part-00000.csv")
    wanted = pq.read_table(logs / "impressions")
    assert text.column_names == wanted.column_names
    assert text["quality"].to_pylist() == wanted["quality"].to_pylist()


def test_the_config_is_valid_and_all_its_columns_are_features_or_keys(tmp_path: Path):
    config = load_config(write_config(tmp_path, 400_000, gzip_level=0))
    assert (config.logs.partitions, config.logs.gzip_level) == (4, 0)
    assert len(config.features) == 11


def test_a_process_is_measured_with_its_memory_and_a_failing_one_is_told(tmp_path: Path):
    code = "import time\nx = bytes(50_000_000)\nwhile time.process_time() < 0.3: pass"
    cost = run_process([sys.executable, "-c", code], tmp_path / "log.txt")
    assert 0.3 <= cost.cpu < 1.0
    assert cost.peak_mb > 50
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run_process([sys.executable, "-c", "1 / 0"], tmp_path / "log.txt")


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_stage_inside_another_is_not_counted_twice():
    watch = Stopwatch()
    inner = watch.timed(burn, "inner")

    def outer():
        for seconds in (0.05, 0.0):
            burn(0.05)
            inner(seconds)
            yield seconds

    watch.enter("all")
    assert list(watch.timed(outer, "outer")()) == [0.05, 0.0]
    watch.leave()
    assert watch.seconds["inner"] == pytest.approx(0.05, abs=0.03)
    assert watch.seconds["outer"] == pytest.approx(0.10, abs=0.03)
    assert watch.seconds["all"] < 0.03


def test_every_timed_function_is_there():
    import importlib

    for functions in STAGES.values():
        for module, name in functions:
            assert callable(getattr(importlib.import_module(f"transforms.ingest.{module}"), name))


def test_the_tables_compare_with_ours_without_the_start():
    group = WAYS[0].group
    starts = [Cost(2.0, 50.0)] * 3
    # A slow round is slow for both.
    ours = Measured("gaterank", group, 11_000, [Cost(x, 100.0) for x in (3, 3, 4)], starts)
    rival = Measured("other", group, 11_000, [Cost(x, 100.0) for x in (12, 12, 22)], starts)
    read = Measured(READING, group, 11_000, [Cost(2.5, 100.0)] * 3, starts)
    assert times_ours(rival, [ours, rival]) == pytest.approx(10.0)
    assert times_ours(rival, [ours, rival, read]) == pytest.approx(19.0)
    stages = {"imports": 2.0, "Beam": 1.0}
    results = {"command": "make", "date": "today", "machine": "here", "rounds": 3, "note": ""}
    text = format_tables(results | {"left_out": [], "stages": stages, "rows": 10}, [ours, rival])
    assert "| other | 11,000 | 12.00 | 2.00 | 1000.00 | 917 | 10.00 | 100 |" in text


def test_ours_is_the_first_of_each_group():
    for group in {way.group for way in WAYS}:
        assert next(way for way in WAYS if way.group == group).is_ours


def test_growth_is_without_the_start_and_speedup_with_it():
    costs = {
        Size(START_ROWS, 1): [Cost(2.0, 50.0, 2.0)],
        Size(START_ROWS, 2): [Cost(5.0, 50.0, 3.0)],
        Size(1_000_000, 1): [Cost(7.0, 60.0, 7.0)],
        Size(2_000_000, 1): [Cost(13.0, 61.0, 13.0)],
        Size(2_000_000, 2): [Cost(17.0, 70.0, 9.0)],
    }
    one, two, both = as_rows(costs)
    assert (one["cpu_per_million"], one["growth"]) == (pytest.approx(5.0), 1.0)
    assert (two["cpu_per_million"], two["growth"]) == (pytest.approx(5.5), pytest.approx(1.1))
    assert (both["cpu_per_million"], both["speedup"]) == (pytest.approx(6.0), 13.0 / 9.0)


@pytest.mark.parametrize("features", ["rates", "sequence"])
def test_a_loop_over_rows_makes_the_histories_that_ingestion_makes(features: str):
    key_set = histories.key_set_of(features)
    (rows,) = histories.make_partitions(key_set, 3000)
    expected = {place: told for place, *told in histories.loop(key_set, rows)}
    *pieces, state = histories.ours(key_set, rows)
    assert state.num_rows > 0
    for piece in pieces:
        columns = [as_told(piece.column(name)) for name in key_set.features]
        for place, *told in zip(piece.column("place").to_pylist(), *columns, strict=True):
            assert told == [pytest.approx(v) if v else v for v in expected.pop(place)]
    assert not expected


def as_told(column: pa.Array) -> list[Any]:
    """Values; null in a column of lists says, as the row before."""
    values = column.to_pylist()
    if pa.types.is_list(column.type):
        for place, value in enumerate(values):
            values[place] = values[place - 1] if value is None else value
    return values
