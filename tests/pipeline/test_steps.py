"""Components run one by one, as an orchestrator runs them: days in order, again, late and empty."""

import json
import re
import shutil
import threading
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result

from pipeline.cli.main import cli
from pipeline.config import load_config
from pipeline.graph import airflow_document, pipeline_graph
from pipeline.monitoring.options import Monitor
from pipeline.monitoring.training import find_training
from pipeline.report.history import find_lineage
from pipeline.served.rollback import roll_back
from pipeline.workspace import Run, Workspace
from tests.pipeline.tiny import tiny_document
from transforms.errors import ConfigError, InputError, NotBlessedError, NotReadyError
from transforms.simulator.simulate import simulate

FIRST = date(2026, 1, 5)


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def gaterank(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments])


class Days:
    """A ranker of two-day windows with warm starts, on five days of logs, the last one empty."""

    def __init__(self, folder: Path) -> None:
        self.logs, self.yaml = folder / "logs", folder / "tiny.yaml"
        self.workspace = Workspace(folder / "workspace")
        simulate(self.logs, 3000, seed=1, days=5)
        document = tiny_document()
        for task in document["tasks"].values():
            task["label"]["may_be_absent"] = True
        document["logs"]["spans"] = {"window": 2}
        document["training"]["base"] = "latest_blessed"
        document["schedule"] = {"start": FIRST + timedelta(days=1)}
        self.yaml.write_text(yaml.safe_dump(document))
        self.config = load_config(self.yaml)
        self.nodes = [node.id for node in pipeline_graph(self.config)]
        for path in (self.logs / "impressions" / day(4)).glob("*.parquet"):
            pq.write_table(pq.read_table(path).slice(0, 0), path)

    def step(self, node: str, number: int, run_id: str) -> Result:
        place = ["--workspace", self.workspace.folder, "--logs", self.logs]
        return gaterank("step", self.yaml, node, *place, "--span", day(number), "--run-id", run_id)

    def run(self, number: int, run_id: str) -> dict[str, BaseException | None]:
        """Runs components until one fails; what each ended with."""
        ended: dict[str, BaseException | None] = {}
        for node in self.nodes:
            ended[node] = self.step(node, number, run_id).exception
            if ended[node] is not None and not isinstance(ended[node], NotBlessedError):
                break
        return ended

    @property
    def served(self) -> list[str]:
        folder = self.workspace.places(self.config.name, "").served
        return sorted(path.name for path in folder.glob("[0-9]*"))


@pytest.fixture(scope="module")
def days(tmp_path_factory) -> Days:
    return Days(tmp_path_factory.mktemp("steps"))


@pytest.fixture(scope="module")
def first(days) -> Run:
    assert set(days.run(1, "first").values()) == {None}
    return days.workspace.run("first")


@pytest.fixture(scope="module")
def second(days, first) -> Run:
    assert set(days.run(2, "second").values()) == {None}
    return days.workspace.run("second")


def test_the_graph_has_each_component_after_those_it_waits_for(days):
    nodes = pipeline_graph(days.config)
    seen: set[str] = set()
    for node in nodes:
        assert seen.issuperset(node.upstream)
        seen.add(node.id)
    assert {node.id for node in nodes if node.trains} == {"CandidateTrainer", "BaselineTrainer"}
    assert [node.id for node in nodes if node.pushes] == ["Pusher"]
    by_id = {node.id: node.upstream for node in nodes}
    assert "CandidateBase" in by_id["CandidateTrainer"]
    assert {"EvaluateRanker", "CheckServing"} <= set(by_id["Pusher"])


def test_the_document_for_airflow_says_when_and_what(days, tmp_path):
    place = ["--workspace", tmp_path / "w", "--logs", days.logs, "--out", tmp_path / "a.json"]
    done = gaterank("compile", days.yaml, "--target", "airflow", *place)
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "a.json").read_text())
    # The longest label takes two days, so a day is run two days after its end.
    assert (document["days_ahead"], document["start_date"]) == (2, day(3))
    assert [node["id"] for node in document["nodes"]] == days.nodes
    assert document["step_timeout"] == 12 * 3600
    assert document["monitor"] is None
    watched = days.config.model_copy(update={"monitor": Monitor(requests="served/demo")})
    document = airflow_document(watched, days.yaml, [], tmp_path, "")
    about = {"requests": str(Path.cwd() / "served/demo"), "cron": "0 8 * * *", "retrain": False}
    assert document["monitor"] == about
    plain = days.config.model_copy(update={"schedule": None})
    with pytest.raises(ConfigError, match="schedule: must be in the YAML"):
        airflow_document(plain, days.yaml, [], tmp_path, "")


def test_a_day_is_ready_once_its_labels_are_complete(days, tmp_path):
    def ready(logs: Path, *span: str) -> BaseException | None:
        return gaterank("ready", days.yaml, "--logs", logs, *span).exception

    assert ready(days.logs, "--span", day(2)) is None
    assert isinstance(ready(days.logs, "--span", day(9)), NotReadyError)
    assert NotReadyError.exit_code == 7
    shutil.copytree(days.logs, tmp_path / "logs")
    for path in (tmp_path / "logs").glob("*/2026-01-*"):
        if path.name > day(3):
            shutil.rmtree(path)
    assert ready(tmp_path / "logs", "--span", day(1)) is None
    late = ready(tmp_path / "logs", "--span", day(2))
    assert isinstance(late, NotReadyError)
    assert "feedback may come 2 days later" in str(late)
    (tmp_path / "none").mkdir()
    assert isinstance(ready(tmp_path / "none", "--span", day(1)), NotReadyError)


def test_what_cannot_be_run_is_refused(days):
    assert isinstance(days.step("Trainer", 1, "odd").exception, InputError)
    for name in ("../odd", "two words", "-x", ""):
        assert days.step("LogExampleGen", 1, name).exit_code != 0
    assert not days.workspace.folder.joinpath("artifacts").exists()


def test_a_step_waits_for_whoever_holds_the_workspace(tmp_path):
    space = Workspace(tmp_path / "workspace")
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with space.locked():
            taken.set()
            done.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    assert taken.wait(30)
    with pytest.raises(InputError, match="another run is using this workspace"), space.locked(0.6):
        pass
    threading.Timer(0.7, done.set).start()
    with space.locked(patience=30):
        assert done.is_set()
    other.join()


@pytest.mark.slow
def test_a_day_is_run_component_by_component(days, first):
    assert first.blessed
    assert first.pushed_version == "1"
    assert first.document("gaterank.GateReport", "inputs.json")["candidate"]["base"] is None


@pytest.mark.slow
def test_a_component_that_has_ended_does_nothing_when_it_is_asked_for_again(days, first):
    before = {kind: [a.id for a in found] for kind, found in first.artifacts.items()}
    for node in ("LogExampleGen", "CandidateTrainer", "Pusher"):
        assert days.step(node, 1, "first").exception is None
    again = days.workspace.run("first")
    assert {kind: [a.id for a in found] for kind, found in again.artifacts.items()} == before
    assert days.served[:1] == ["1"]


@pytest.mark.slow
def test_the_next_day_begins_from_the_blessed_model_of_the_day_before(second):
    assert second.blessed
    assert second.pushed_version == "2"
    for role in ("candidate", "baseline"):
        inputs = second.document("gaterank.GateReport", "inputs.json")
        assert len(inputs[role]["base"]["mapped"]) > 10
    over_base = second.document("ModelEvaluation", "figures.json")["base"]["mean"]["auc"]
    assert over_base["candidate"]["value"] != over_base["baseline"]["value"]


@pytest.mark.slow
def test_an_old_day_run_again_changes_nothing(days, first, second):
    assert set(days.run(1, "first_again").values()) == {None}
    again = days.workspace.run("first_again")
    for kind in ("Examples", "Model", "ModelBlessing", "PushedModel"):
        assert again.uri(kind) == first.uri(kind), "all of it from the cache"
    assert days.served == ["1", "2"]


@pytest.mark.long
def test_an_old_day_with_late_data_is_trained_again_and_not_pushed_over_a_later_one(
    days, first, second
):
    folder = days.logs / "impressions" / day(1)
    (part,) = folder.glob("*.parquet")
    rows = pq.read_table(part)
    names = [f"late{name}" for name in rows["request_id"].to_pylist()]
    place = rows.schema.get_field_index("request_id")
    late = rows.set_column(place, rows.schema.field(place), [names]).slice(0, 100)
    pq.write_table(late, folder / "late.parquet")
    try:
        ended = days.run(1, "first_late")
        assert {node for node, error in ended.items() if error} == {"Pusher"}
        assert re.search("the model of a later day is served", str(ended["Pusher"]))
        assert NotBlessedError.exit_code == 4
        run = days.workspace.run("first_late")
        assert run.uri("Model") != first.uri("Model")
        inputs = run.document("gaterank.GateReport", "inputs.json")
        assert inputs["candidate"]["base"] is None, "there is no earlier day to begin from"
        assert days.served == ["1", "2"]
    finally:
        (folder / "late.parquet").unlink()


@pytest.mark.long
def test_an_empty_day_is_refused_and_the_next_one_does_without_it(days, second):
    ended = days.run(4, "empty")
    assert list(ended)[-1] == "LogExampleGen"
    assert isinstance(ended["LogExampleGen"], InputError)
    assert "the last day of a window must have examples" in str(ended["LogExampleGen"])
    # A sixth day, whose window holds the empty one.
    for kind in ("impressions", "feedback"):
        shutil.rmtree(days.logs / kind / day(5), ignore_errors=True)
    more = days.logs.parent / "more"
    simulate(more, 3000, seed=2, days=1, first_day=FIRST + timedelta(days=5))
    for path in more.glob("*/*"):
        shutil.copytree(path, days.logs / path.parent.name / path.name, dirs_exist_ok=True)
    assert set(days.run(5, "after").values()) == {None}
    data = days.workspace.run("after").document("gaterank.GateReport", "inputs.json")
    # The empty day was ingested again, for the sixth one brings feedback for it.
    assert data["lineage"]["data"]["spans"] == f"{day(4)} v2, {day(5)} v1"


@pytest.mark.slow
def test_what_was_rolled_back_to_is_known_as_what_a_run_pushed(days, first, second):
    place = days.workspace.folder / "serving" / first.ranker
    copy = str(roll_back(place, to=1).version)
    assert find_lineage(days.workspace, copy)["run"] == "first"
    assert find_lineage(days.workspace, "2")["run"] == "second"
    found = find_training(days.workspace, first.ranker, [copy, "2", "99"])
    assert {version: run.run_id for version, run in found.items()} == {copy: "first", "2": "second"}
    with pytest.raises(InputError, match="no run has pushed version 99"):
        find_lineage(days.workspace, "99")
