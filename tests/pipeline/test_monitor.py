"""`gaterank monitor` on days with a known answer: the right alarms, and only these."""

import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

import pipeline.monitoring.watch
from pipeline.cli.main import cli
from pipeline.monitoring.figures import MonitorFigures
from tests.pipeline.monitor_inputs import ROWS, Day, end_feedback, make_config, monitor_document

HOSTILE = "<script>alert(1)</script>"
CHANGED = {"shares": (0.1, 0.3, 0.2, 0.4), "minutes": 45.0, "optimism": 1.5, "blindness": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two days like the training's, the second with broken rows, and a day that is not."""
    folder = tmp_path_factory.mktemp("monitor")
    (folder / "small.yaml").write_text(yaml.safe_dump(monitor_document()))
    for date, changes in (("05", {}), ("06", {}), ("07", CHANGED)):
        Day(f"2026-01-{date}", **changes).write(folder)
    end_feedback(folder, "2026-01-10")
    _break(folder / "requests" / "impressions" / "2026-01-06")
    return folder


def _break(day: Path) -> None:
    """A file with a row twice, one of another user, one without a request and a hostile version."""
    (row, other, lost, hostile) = pq.read_table(day / "a.parquet").slice(0, 4).to_pylist()
    other["user_id"], lost["request_id"] = "another", None
    hostile |= {"request_id": "h", "model_version": HOSTILE}
    rows = [
        one | {"model_version": str(one["model_version"]), "surprise": HOSTILE}
        for one in (row, other, lost, hostile)
    ]
    pq.write_table(pa.Table.from_pylist(rows), day / "b.parquet")


@pytest.fixture(scope="module", autouse=True)
def training(folder):
    """What the workspace knows of version 3: it was trained on days such as the first two."""
    runs = {"3": Day("2026-01-02", seed=7, rows=2 * ROWS).training(make_config())}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.monitoring.watch, "find_training", lambda *_: runs)
        yield


def run(folder: Path, date: str, *more: str) -> Result:
    places = {"workspace": "workspace", "requests": "requests", "logs": "logs", "out": "out"}
    options = [
        word for name, place in places.items() for word in (f"--{name}", str(folder / place))
    ]
    command = ["monitor", str(folder / "small.yaml"), *options, "--day", date, *more]
    return CliRunner().invoke(cli, command)


@pytest.fixture(scope="module")
def results(folder) -> dict[str, Result]:
    """Day after day, as a timer runs it."""
    dates = ("2026-01-05", "2026-01-06", "2026-01-07")
    return {date: run(folder, date) for date in dates}


def figures(folder: Path, date: str) -> MonitorFigures:
    return MonitorFigures.model_validate_json((folder / "out" / date / "monitor.json").read_bytes())


@pytest.mark.parametrize("date", ["2026-01-05", "2026-01-06"])
def test_a_day_like_the_training_raises_no_alarm(results, folder, date):
    assert results[date].exception is None, results[date].output
    found = figures(folder, date)
    assert not found.alarms
    assert {one.feature for one in found.distances if one.kind == "skew"} == {
        *("category", "minutes", "tags", "shown")
    }
    click, watch = (task for task in found.tasks if task.model_version == "3")
    assert (click.examples, click.waiting) == (watch.examples, watch.waiting) == (ROWS, 0)
    assert click.metrics["auc"].worse.lower < 0.01 < click.metrics["auc"].live.value


def test_a_day_that_is_not_raises_the_right_alarms_and_only_these(results, folder):
    error = results["2026-01-07"].exception
    assert error.exit_code == 10
    found = figures(folder, "2026-01-07")
    assert {(alarm.kind, alarm.place, alarm.model_version) for alarm in found.alarms} == {
        ("skew", "category", "3"),
        ("skew", "minutes", "3"),
        ("drift", "category", None),
        ("drift", "minutes", None),
        ("quality", "click", "3"),
        ("calibration", "click", "3"),
    }
    assert found.previous_day == "2026-01-06"
    assert str(error).startswith("small, 2026-01-07: 6 alarms\n  skew of category, version 3: The ")
    assert "and 1 more" in str(error)


def test_every_row_is_accounted_for(results, folder):
    found = figures(folder, "2026-01-06")
    rows = found.counts.impressions
    assert (rows.read, rows.examples, rows.duplicates, rows.dead) == (ROWS + 4, ROWS + 1, 1, 2)
    assert found.counts.dead_letters == {"conflicting_impression": 1, "missing_key": 1}
    ingested = folder / "out" / "2026-01-06" / "ingested"
    assert [path.name for path in ingested.iterdir()] == ["dead_letters"], "no copy of the logs"
    letters = CliRunner().invoke(cli, ["deadletters", str(ingested), "--json"])
    assert set(json.loads(letters.output)["reasons"]) == {"conflicting_impression", "missing_key"}


def test_a_version_that_no_run_pushed_is_measured_as_far_as_it_can_be(results, folder):
    found = figures(folder, "2026-01-06")
    assert {name: one.impressions for name, one in found.versions.items()} == {
        "3": ROWS,
        HOSTILE: 1,
    }
    assert found.new_columns == ("surprise",)
    assert any(note.startswith(f"Version {HOSTILE}: no run of the w") for note in found.notes)
    first = figures(folder, "2026-01-05")
    assert first.notes == ("No earlier day was watched, so drift is not measured.",)


def test_the_page_is_one_file_in_which_every_word_is_text(results, folder):
    for date, verdict in (("2026-01-06", "No alarm"), ("2026-01-07", "6 alarms")):
        page = (folder / "out" / date / "monitor.html").read_text()
        assert f"<title>small, {date}: {verdict}</title>" in page
        assert "<script" not in page and "default-src 'none'" in page
    assert page.count("✕ far") == 4
    assert page.count("<svg viewBox") >= 4, "calibration, and AUC and RMSE over the days"
    assert ">click: AUC<" in page and ">watch: RMSE<" in page


def test_the_metrics_are_those_of_the_newest_day(results, folder):
    text = (folder / "out" / "metrics.prom").read_text()
    assert text == (folder / "out" / "2026-01-07" / "metrics.prom").read_text()
    samples = {
        (sample.name.rpartition(":")[2], *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    ranker = ("ranker", "small")
    assert samples["alarms", ("kind", "skew"), ranker] == 2
    assert samples["alarms", ("kind", "missing"), ranker] == 0
    about = ("comparison", "skew"), ("feature", "category"), ("model_version", "3"), ranker
    assert samples["distance", *about] == pytest.approx(0.3, abs=0.03)
    assert samples["threshold", *about] == 0.1
    calibration = ("metric", "calibration"), ("model_version", "3"), ranker, ("task", "click")
    assert 1.3 < samples["metric", *calibration] < 1.6
    assert samples["metric_in_training", *calibration] == pytest.approx(1.0, abs=0.05)
    assert samples["day_end_seconds", ranker] == 1767830400  # 2026-01-08


def test_an_earlier_day_looked_at_again_is_compared_with_its_own_day_before(results, folder):
    """And the page is that of a day without drift, though a later one is there."""
    newest = (folder / "out" / "metrics.prom").read_bytes()
    again = run(folder, "2026-01-06", "--json")
    assert again.exception is None
    assert json.loads(again.stdout)["previous_day"] == "2026-01-05"
    assert (folder / "out" / "metrics.prom").read_bytes() == newest


def test_too_many_dead_letters_end_the_run_and_are_kept(folder, tmp_path):
    document = monitor_document(logs={"dead_letters": {"max_ratio": 0.0}})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(document))
    for name in ("requests", "logs"):
        (tmp_path / name).symlink_to(folder / name)
    ended = run(tmp_path, "2026-01-06")
    assert ended.exception.exit_code == 3
    place = re.search(r"Counts and refused rows: (\S+)", str(ended.exception))[1]
    assert (Path(place) / "counts.json").is_file()
    assert not list((tmp_path / "out").glob("*/monitor.json")), "the day is not complete"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--day", "2026-01-08"], 7, "nothing was served on 2026-01-08"),
        (["--requests", "nowhere"], 2, "must be a folder. Received: 'nowhere'"),
        (["--day", "soon"], 2, "span: must be a date"),
    ],
)
def test_what_cannot_be_watched_is_said(folder, words, code, message):
    ended = run(folder, "2026-01-05", *words)
    assert ended.exception.exit_code == code
    assert message in str(ended.exception)


def test_metrics_are_pushed_on_request(results, folder):
    pushed = []

    class Gateway(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            size = int(self.headers["Content-Length"])
            pushed.append((self.path, self.rfile.read(size).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    from pipeline.monitoring.exposition import monitor_registry, push_metrics
    from transforms.errors import InputError

    registry = monitor_registry(figures(folder, "2026-01-07"))
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        push_metrics(registry, url, "small")
    ((path, text),) = pushed
    assert path == "/metrics/job/gaterank_monitor/ranker/small"
    assert ":gaterank:monitor:alarms" in text
    for broken in (url, "gateway:9091"):
        with pytest.raises(InputError, match="--pushgateway"):
            push_metrics(registry, broken, "small")
