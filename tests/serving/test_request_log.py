"""The log of rankings: what is in it, what is not, and that nothing waits for it."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.server.request_log.files import LogFiles
from serving.server.request_log.log import RequestLog
from serving.server.request_log.options import RequestLogOptions
from serving.server.request_log.rows import Ranking, to_table
from transforms.errors import ConfigError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def words(*values: bytes | list[bytes]) -> np.ndarray:
    array = np.empty(np.shape(values), object)
    array[:] = values
    return array


def ranking(number: int = 0, size: int = 3, **changes) -> Ranking:
    values = {
        "model": "ranker",
        "version": 7,
        "milliseconds": 1_767_323_045_000 + number,
        "ids": {
            "request_id": words(b"r%d" % number),
            "user_id": words(b"u"),
            "item_id": words(*(b"i%d" % i for i in range(size))),
        },
        "inputs": {
            "age": np.array([30.0], np.float32),
            "interests": words([b"news", b""]),
            "price": np.array([1.0, np.nan, 3.0], np.float32)[:size],
            "brand": words(b"x", b"", b"\xff")[:size],
        },
        "outputs": {
            "click": np.array([0.1, 0.9, 0.5], np.float32)[:size],
            "score": np.array([1.0, 3.0, 2.0], np.float32)[:size],
        },
    }
    return Ranking(**{**values, **changes})


def open_log(folder: Path, clock=lambda: 0.0, draw=lambda: 0.0, **options) -> RequestLog:
    return RequestLog(RequestLogOptions(folder, **options), draw, clock)


def run(log: RequestLog, *rankings: Ranking) -> None:
    for one in rankings:
        log.offer(one)
    log.start()
    log.stop()


def read(folder: Path) -> pa.Table:
    files = sorted(folder.glob("*/impressions/*/*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files], promote_options="default")


def test_a_ranking_is_a_row_a_candidate_best_first():
    assert to_table(ranking()).to_pylist()[:2] == [
        {
            "request_id": "r0",
            "user_id": "u",
            "item_id": "i1",
            "timestamp": datetime(2026, 1, 2, 3, 4, 5),
            "position": 1,
            "model_version": 7,
            "age": 30.0,
            "interests": ["news"],
            "price": None,
            "brand": None,
            "prediction_click": pytest.approx(0.9),
            "score": 3.0,
        },
        {
            "request_id": "r0",
            "user_id": "u",
            "item_id": "i2",
            "timestamp": datetime(2026, 1, 2, 3, 4, 5),
            "position": 2,
            "model_version": 7,
            "age": 30.0,
            "interests": ["news"],
            "price": 3.0,
            "brand": "\N{REPLACEMENT CHARACTER}",
            "prediction_click": 0.5,
            "score": 2.0,
        },
    ]


@pytest.mark.parametrize("size", [0, 1])
def test_few_candidates_are_few_rows(size):
    assert to_table(ranking(size=size)).num_rows == size


def test_only_the_best_are_written_down_if_that_is_asked(tmp_path):
    run(open_log(tmp_path, top=2), ranking())
    assert read(tmp_path)["item_id"].to_pylist() == ["i1", "i2"]


def test_every_request_is_in_some_file(tmp_path):
    log = open_log(tmp_path, file_rows=7)
    run(log, *map(ranking, range(50)))
    assert sorted(set(read(tmp_path)["request_id"].to_pylist())) == sorted(
        f"r{i}" for i in range(50)
    )
    assert log.counts.written == 50
    assert len(list(tmp_path.glob("ranker/impressions/*/*.parquet"))) == 17  # 3 requests each


def test_a_file_ends_when_it_is_old_enough(tmp_path):
    times = iter([0.0, 10.0, 10.0, 61.0, *[61.0] * 99])
    log = open_log(tmp_path, clock=lambda: next(times))
    run(log, ranking(0), ranking(1), ranking(2))
    assert len(list(tmp_path.glob("ranker/impressions/*/*.parquet"))) == 2


def test_a_version_that_reads_other_features_has_files_of_its_own(tmp_path):
    fewer = ranking(1, inputs={}, version=8)
    run(open_log(tmp_path), ranking(0), fewer, ranking(2))
    assert len(list(tmp_path.glob("ranker/impressions/*/*.parquet"))) == 2
    table = read(tmp_path)
    assert table.num_rows == 9
    assert table["price"].null_count == 2 + 3


def test_a_request_does_not_wait_for_room(tmp_path):
    log = open_log(tmp_path, max_waiting=2)
    run(log, *map(ranking, range(5)))
    assert (log.counts.written, log.counts.dropped) == (2, 3)


def test_the_sample_is_drawn(tmp_path):
    draws = iter([0.2, 0.25, 0.9])
    log = open_log(tmp_path, draw=lambda: next(draws), sample=0.25)
    assert [log.wants() for _ in range(3)] == [True, False, False]


def test_a_file_is_of_one_day_however_late_it_is_written(tmp_path):
    before = ranking(0, milliseconds=1_767_311_999_999)
    run(open_log(tmp_path), before, ranking(1, milliseconds=1_767_312_000_000))
    (first,), (second,) = (
        list(tmp_path.glob(f"ranker/impressions/{day}/*.parquet"))
        for day in ("2026-01-01", "2026-01-02")
    )
    assert set(pq.read_table(first)["request_id"].to_pylist()) == {"r0"}
    assert set(pq.read_table(second)["request_id"].to_pylist()) == {"r1"}


def test_the_oldest_files_make_room(tmp_path):
    rows = to_table(ranking())

    def write(files: LogFiles, model: str, day: int) -> int:
        now = NOW.replace(day=day)
        return files.write(model, now.date(), rows, now)

    files = LogFiles(tmp_path, max_bytes=1)
    assert files.write("a", NOW.date(), rows, NOW) == 0, "the newest stays, however small the bound"
    assert write(files, "b", 3) == 1
    assert [path.parts[-4] for path in tmp_path.glob("*/*/*/*")] == ["b"]
    size = next(tmp_path.glob("*/*/*/*")).stat().st_size
    files = LogFiles(tmp_path, max_bytes=2 * size)
    assert write(files, "a", 4) == 0
    assert write(files, "a", 5) == 1
    assert {path.parts[-4] for path in tmp_path.glob("*/*/*/*")} == {"a"}


@pytest.mark.parametrize("name", ["..", ".", "a/b", "\N{SNOWMAN}", "a:b"])
def test_a_model_of_any_name_stays_in_the_folder(tmp_path, name):
    log = tmp_path / "log"
    run(open_log(log), ranking(model=name))
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert len(list(log.glob("*/impressions/2*/*.parquet"))) == 1


def test_a_full_disk_is_counted_and_the_server_goes_on(tmp_path, caplog):
    (tmp_path / "log").touch()
    log = open_log(tmp_path / "log", file_rows=3)
    run(log, ranking(0), ranking(1))
    assert (log.counts.written, log.counts.failed) == (0, 2)
    assert "not written down" in caplog.text


@pytest.mark.parametrize(
    "options",
    [{"sample": 0.0}, {"sample": 1.1}, {"top": 0}, {"file_rows": 0}, {"file_seconds": 0.0}],
)
def test_a_bound_that_makes_no_sense_is_refused(tmp_path, options):
    (name,) = options
    with pytest.raises(ConfigError, match=f"`{name}`"):
        RequestLogOptions(tmp_path, **options)
